#include "report/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// An integer that rises where the score falls.
std::uint32_t falling_key(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0 and 0 are one score
  constexpr std::uint32_t kSign = 1U << 31;
  return (bits & kSign) != 0 ? bits : ~(bits | kSign);
}

/// Copies `from` to `to`, sorted by 11 bits of the keys; equal ones keep their order.
void sort_by_digit(const std::vector<std::uint64_t>& from, std::vector<std::uint64_t>& to,
                   unsigned shift) {
  constexpr std::uint64_t kDigits = 1U << 11;
  const auto digit = [=](std::uint64_t key) { return (key >> shift) % kDigits; };
  std::array<std::size_t, kDigits + 1> begin{};
  for (const auto key : from) ++begin[digit(key) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  for (const auto key : from) to[begin[digit(key)]++] = key;
}

/// Indices by falling score, equal ones in their order. A radix sort: O(N), for 404,000 jets a
/// quarter of std::sort's time.
std::vector<std::uint32_t> falling_order(std::span<const float> score) {
  if (score.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw std::invalid_argument(fmt::format("{} jets are too many to rank", score.size()));
  }
  std::vector<std::uint64_t> keys(score.size()), others(score.size());
  for (std::size_t jet = 0; jet < keys.size(); ++jet) {
    keys[jet] = (std::uint64_t{falling_key(score[jet])} << 32) | jet;
  }
  sort_by_digit(keys, others, 32);
  sort_by_digit(others, keys, 43);
  sort_by_digit(keys, others, 54);
  return {others.begin(), others.end()};  // the lower half of each: the index
}

// Whether the step to b and the step from b are the same, as scikit-learn's second difference asks.
// (Points that are collinear with steps of different length stay.)
template <typename Count>
bool is_intermediate(const PassingOf<Count>& a, const PassingOf<Count>& b,
                     const PassingOf<Count>& c) {
  return b.background - a.background == c.background - b.background &&
         b.signal - a.signal == c.signal - b.signal;
}

/// Calls f with (0, 0) and with the points of the curve, less the intermediate ones.
template <typename Count, typename F>
void for_each_point(const std::vector<PassingOf<Count>>& passing, F f) {
  // The origin is no neighbour in that test, so the point of the highest score always stays.
  f(PassingOf<Count>{std::numeric_limits<float>::infinity(), 0, 0});
  for (std::size_t i = 0; i < passing.size(); ++i) {
    const bool inner = i > 0 && i + 1 < passing.size();
    if (inner && is_intermediate(passing[i - 1], passing[i], passing[i + 1])) continue;
    f(passing[i]);
  }
}

template <typename Count>
double fraction(Count part, Count all) {
  return static_cast<double>(part) / static_cast<double>(all);
}

/// 1/eB at the first point whose signal efficiency is nearest to the wanted one. Count: of the
/// background, which is a number of jets, a sum of weights or an efficiency.
template <typename Count>
struct NearestPoint {
  double wanted;
  double distance = std::numeric_limits<double>::infinity();
  Count background = 0;

  void look_at(double signal_efficiency, Count background_here) {
    const double here = std::abs(signal_efficiency - wanted);
    if (here < distance) {
      distance = here;
      background = background_here;
    }
  }
  std::optional<double> rejection(Count all_background) const {
    if (background == 0) return std::nullopt;
    return 1.0 / fraction(background, all_background);
  }
};

template <typename Count>
RocCurve curve_of(const std::vector<PassingOf<Count>>& passing) {
  RocCurve curve;
  for (auto* const list :
       {&curve.background_efficiency, &curve.signal_efficiency, &curve.threshold}) {
    list->reserve(passing.size() + 1);
  }
  const auto& all = passing.back();
  for_each_point(passing, [&](const PassingOf<Count>& point) {
    curve.background_efficiency.push_back(fraction(point.background, all.background));
    curve.signal_efficiency.push_back(fraction(point.signal, all.signal));
    curve.threshold.push_back(point.threshold);
  });
  return curve;
}

template <typename Count>
double area_of(const std::vector<PassingOf<Count>>& passing) {
  // Twice the trapezoids' area in units of one (signal, background) pair: without weights an
  // integer, below 2^63 for up to two billion jets of each class.
  Count twice_area = 0;
  PassingOf<Count> before{0, 0, 0};
  for (const auto& here : passing) {
    twice_area += (here.background - before.background) * (here.signal + before.signal);
    before = here;
  }
  const double pairs = static_cast<double>(before.background) * static_cast<double>(before.signal);
  return static_cast<double>(twice_area) / (2.0 * pairs);
}

template <typename Count>
RankingFigures figures_of(const std::vector<PassingOf<Count>>& passing) {
  const auto& all = passing.back();
  NearestPoint<Count> at_30{.wanted = 0.3}, at_50{.wanted = 0.5};
  for_each_point(passing, [&](const PassingOf<Count>& point) {
    const double signal_efficiency = fraction(point.signal, all.signal);
    at_30.look_at(signal_efficiency, point.background);
    at_50.look_at(signal_efficiency, point.background);
  });
  return {.auc = area_of(passing),
          .rejection_at_30 = at_30.rejection(all.background),
          .rejection_at_50 = at_50.rejection(all.background)};
}

/// f of the numbers of jets that pass, or, with weights, of their sums.
template <typename F>
auto of_passing(std::span<const float> score, std::span<const std::int8_t> label,
                std::span<const double> weight, F f) {
  const Ranking ranking(score, label);
  return weight.empty() ? f(ranking.passing()) : f(ranking.passing(weight));
}

}  // namespace

Ranking::Ranking(std::span<const float> score, std::span<const std::int8_t> label) {
  check_scores(score, label);
  const auto signal = std::count(label.begin(), label.end(), 1);
  const auto background = static_cast<std::int64_t>(label.size()) - signal;
  if (signal == 0 || background == 0) {
    throw InputError(
        fmt::format("a ROC curve needs jets of both classes, not {} signal and {} background jets",
                    signal, background));
  }
  order_ = falling_order(score);
  jets_.reserve(order_.size());
  for (const auto jet : order_) {
    if (!jets_.empty()) jets_.back().last_of_tie = jets_.back().score != score[jet];
    jets_.push_back({.score = score[jet], .signal = label[jet] == 1, .last_of_tie = true});
  }
}

template <typename Count, typename CountOf>
void Ranking::count(CountOf count_of, std::vector<PassingOf<Count>>& passing) const {
  passing.clear();
  passing.reserve(jets_.size());
  Count background = 0, signal = 0;
  for (std::size_t begin = 0, end = 0; begin < jets_.size(); begin = end) {
    while (!jets_[end].last_of_tie) ++end;
    ++end;
    bool counts = false;
    // Of equal scores the later jet first: scikit-learn's sums to the last bit.
    for (std::size_t k = end; k-- > begin;) {
      const Count units = count_of(k);
      counts = counts || units != 0;
      (jets_[k].signal ? signal : background) += units;
    }
    if (!counts) continue;
    passing.push_back(
        {.threshold = jets_[begin].score, .background = background, .signal = signal});
  }
}

std::vector<Passing> Ranking::passing() const {
  std::vector<Passing> passing;
  count([](std::size_t) { return std::int64_t{1}; }, passing);
  return passing;
}

void Ranking::passing_by_rank(std::span<const double> units,
                              std::vector<PassingOf<double>>& passing) const {
  count([=](std::size_t k) { return units[k]; }, passing);
}

std::vector<PassingOf<double>> Ranking::passing(std::span<const double> weight) const {
  if (weight.empty()) throw std::invalid_argument("no weights");
  check_weights(weight, jets_.size());
  std::vector<PassingOf<double>> passing;
  count([&](std::size_t k) { return weight[order_[k]]; }, passing);
  const double background = passing.empty() ? 0 : passing.back().background;
  const double signal = passing.empty() ? 0 : passing.back().signal;
  if (!(signal > 0) || !(background > 0)) {
    throw InputError(fmt::format(
        "a ROC curve needs jets of both classes, but the weights of the signal jets sum to {} and "
        "those of the background jets to {}",
        signal, background));
  }
  return passing;
}

RankingFigures ranking_figures(const std::vector<PassingOf<double>>& passing) {
  return figures_of(passing);
}

RankingFigures ranking_figures(std::span<const float> score, std::span<const std::int8_t> label,
                               std::span<const double> weight) {
  return of_passing(score, label, weight, [](const auto& passing) { return figures_of(passing); });
}

RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label,
                   std::span<const double> weight) {
  auto curve =
      of_passing(score, label, weight, [](const auto& passing) { return curve_of(passing); });
  curve.num_signal = std::count(label.begin(), label.end(), 1);
  curve.num_background = static_cast<std::int64_t>(label.size()) - curve.num_signal;
  return curve;
}

double roc_auc(std::span<const float> score, std::span<const std::int8_t> label,
               std::span<const double> weight) {
  return of_passing(score, label, weight, [](const auto& passing) { return area_of(passing); });
}

std::optional<double> background_rejection(const RocCurve& curve, double signal_efficiency) {
  if (!(signal_efficiency > 0 && signal_efficiency <= 1)) {
    throw std::invalid_argument(
        fmt::format("signal efficiency {} is not in (0, 1]", signal_efficiency));
  }
  const auto points = curve.signal_efficiency.size();
  if (points == 0 || points != curve.background_efficiency.size()) {
    throw std::invalid_argument(
        fmt::format("a ROC curve of {} signal and {} background efficiencies", points,
                    curve.background_efficiency.size()));
  }
  NearestPoint<double> nearest{.wanted = signal_efficiency};
  for (std::size_t k = 0; k < points; ++k) {
    nearest.look_at(curve.signal_efficiency[k], curve.background_efficiency[k]);
  }
  return nearest.rejection(1.0);
}

bool has_both_classes(std::span<const std::int8_t> label, std::span<const double> weight) {
  std::array found{false, false};
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    if (weight.empty() || weight[jet] > 0) found.at(label[jet] == 1 ? 1 : 0) = true;
  }
  return found[0] && found[1];
}

std::vector<std::uint8_t> tagged_right(std::span<const float> probability,
                                       std::span<const std::int8_t> label) {
  const auto classes = probability.size() / label.size();
  std::vector<std::uint8_t> right;
  right.reserve(label.size());
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const auto of_jet = probability.subspan(classes * jet, classes);
    const auto largest = std::max_element(of_jet.begin(), of_jet.end()) - of_jet.begin();
    right.push_back(largest == label[jet] ? 1 : 0);
  }
  return right;
}

std::vector<std::int8_t> is_class(std::span<const std::int8_t> label, std::int64_t number) {
  std::vector<std::int8_t> is(label.size());
  std::transform(label.begin(), label.end(), is.begin(), [=](std::int8_t of_jet) {
    return of_jet == number ? std::int8_t{1} : std::int8_t{0};
  });
  return is;
}

void check_labels(std::size_t num_rows, std::span<const std::int8_t> label, std::int64_t classes) {
  if (num_rows != label.size()) {
    throw std::invalid_argument(
        fmt::format("scores of {} jets but {} labels", num_rows, label.size()));
  }
  if (label.empty()) throw std::invalid_argument("no jets to score");
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    if (label[jet] >= 0 && label[jet] < classes) continue;
    throw std::invalid_argument(
        fmt::format("label {} of jet {} is not from 0 to {}", label[jet], jet, classes - 1));
  }
}

void check_weights(std::span<const double> weight, std::size_t jets) {
  if (weight.empty()) return;
  if (weight.size() != jets) {
    throw std::invalid_argument(fmt::format("{} weights of {} jets", weight.size(), jets));
  }
  for (std::size_t jet = 0; jet < jets; ++jet) {
    if (std::isfinite(weight[jet]) && weight[jet] >= 0) continue;
    throw InputError(fmt::format("the weight of jet {} is {}; a weight is a number of at least 0",
                                 jet, weight[jet]));
  }
}

void check_scores(std::span<const float> score, std::span<const std::int8_t> label) {
  check_labels(score.size(), label);
  for (std::size_t jet = 0; jet < score.size(); ++jet) {
    if (!std::isfinite(score[jet])) {
      throw InputError(
          fmt::format("the score of jet {} is {}, which is not finite", jet, score[jet]));
    }
  }
}

void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label,
                         std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  if (probability.size() % width != 0) {
    throw std::invalid_argument(
        fmt::format("{} values are not {} probabilities a jet", probability.size(), classes));
  }
  check_labels(probability.size() / width, label, classes);
  constexpr float kRounding = 1e-5F;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    // Written so that NaN fails too.
    if (!(probability[i] >= 0 && probability[i] <= 1 + kRounding)) {
      throw InputError(fmt::format("p{} of jet {} is {}, not a probability", i % width, i / width,
                                   probability[i]));
    }
  }
}

}  // namespace lorentznet
