#include "lorentznet/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include "report/ranking.h"

namespace lorentznet {
namespace {

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
  // The start takes no part in the dropping, so the first score's point always stays.
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

/// The first point whose signal efficiency is nearest to one that is wanted.
template <typename Count>
struct Nearest {
  double wanted;
  double distance = std::numeric_limits<double>::infinity();
  Count background = 0;

  void look_at(const PassingOf<Count>& point, const PassingOf<Count>& all) {
    const double here = std::abs(fraction(point.signal, all.signal) - wanted);
    if (here < distance) {
      distance = here;
      background = point.background;
    }
  }
  std::optional<double> rejection(const PassingOf<Count>& all) const {
    if (background == 0) return std::nullopt;
    return 1.0 / fraction(background, all.background);
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
  Nearest<Count> at_30{.wanted = 0.3}, at_50{.wanted = 0.5};
  for_each_point(passing, [&](const PassingOf<Count>& point) {
    at_30.look_at(point, all);
    at_50.look_at(point, all);
  });
  return {.auc = area_of(passing),
          .rejection_at_30 = at_30.rejection(all),
          .rejection_at_50 = at_50.rejection(all)};
}

/// f of the numbers of jets that pass, or, with weights, of their sums.
template <typename F>
auto of_passing(std::span<const float> score, std::span<const std::int8_t> label,
                std::span<const double> weight, F f) {
  const Ranking ranking(score, label);
  return weight.empty() ? f(ranking.passing()) : f(ranking.passing(weight));
}

}  // namespace

double accuracy(std::span<const float> probability, std::span<const std::int8_t> label) {
  check_probabilities(probability, label);
  std::int64_t correct = 0;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const int predicted = probability[2 * jet + 1] > probability[2 * jet] ? 1 : 0;
    correct += predicted == label[jet] ? 1 : 0;
  }
  return static_cast<double>(correct) / static_cast<double>(label.size());
}

double cross_entropy(std::span<const float> probability, std::span<const std::int8_t> label) {
  check_probabilities(probability, label);
  constexpr double smallest = std::numeric_limits<float>::denorm_min();
  double sum = 0;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const double p = probability[2 * jet + static_cast<std::size_t>(label[jet])];
    sum -= std::log(std::max(p, smallest));
  }
  return sum / static_cast<double>(label.size());
}

std::vector<float> signal_scores(std::span<const float> probability) {
  std::vector<float> score(probability.size() / 2);
  for (std::size_t jet = 0; jet < score.size(); ++jet) score[jet] = probability[2 * jet + 1];
  return score;
}

ScoreSummary summarize(std::span<const float> probability, std::span<const std::int8_t> label) {
  ScoreSummary summary;
  summary.accuracy = accuracy(probability, label);
  summary.loss = cross_entropy(probability, label);
  static_cast<RankingFigures&>(summary) = ranking_figures(signal_scores(probability), label);
  summary.num_background = std::count(label.begin(), label.end(), 0);
  return summary;
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

RankingFigures ranking_figures(const std::vector<Passing>& passing) { return figures_of(passing); }

RankingFigures ranking_figures(std::span<const float> score, std::span<const std::int8_t> label,
                               std::span<const double> weight) {
  return of_passing(score, label, weight, [](const auto& passing) { return figures_of(passing); });
}

std::vector<float> column_of(std::span<const float> values, std::int64_t width,
                             std::int64_t column) {
  std::vector<float> chosen;
  for (auto place = static_cast<std::size_t>(column); place < values.size();
       place += static_cast<std::size_t>(width)) {
    chosen.push_back(values[place]);
  }
  return chosen;
}

std::vector<std::optional<double>> one_vs_rest_auc(std::span<const float> probability,
                                                   std::int64_t num_classes,
                                                   std::span<const std::int8_t> label,
                                                   std::span<const double> weight) {
  std::vector<std::optional<double>> auc;
  for (std::int64_t k = 0; k < num_classes; ++k) {
    std::vector<std::int8_t> is_class(label.size());
    double inside = 0, outside = 0;
    for (std::size_t jet = 0; jet < label.size(); ++jet) {
      is_class[jet] = label[jet] == k ? 1 : 0;
      (label[jet] == k ? inside : outside) += weight.empty() ? 1 : weight[jet];
    }
    auc.emplace_back();
    if (!(inside > 0) || !(outside > 0)) continue;
    auc.back() = roc_auc(column_of(probability, num_classes, k), is_class, weight);
  }
  return auc;
}

std::optional<double> mean_auc(const std::vector<std::optional<double>>& auc_of_class) {
  double sum = 0;
  for (const auto& auc : auc_of_class) {
    if (!auc) return std::nullopt;
    sum += *auc;
  }
  return sum / static_cast<double>(auc_of_class.size());
}

std::optional<double> background_rejection(const RocCurve& curve, double signal_efficiency) {
  if (!(signal_efficiency > 0 && signal_efficiency <= 1)) {
    throw std::invalid_argument("signal efficiency " + std::to_string(signal_efficiency) +
                                " is not in (0, 1]");
  }
  const std::vector<double>& efficiency = curve.signal_efficiency;
  if (efficiency.empty() || efficiency.size() != curve.background_efficiency.size()) {
    throw std::invalid_argument(
        "a ROC curve of " + std::to_string(efficiency.size()) + " signal and " +
        std::to_string(curve.background_efficiency.size()) + " background efficiencies");
  }
  const auto nearer = [=](double a, double b) {
    return std::abs(a - signal_efficiency) < std::abs(b - signal_efficiency);
  };
  // min_element returns the first of equals.
  const auto nearest = std::min_element(efficiency.begin(), efficiency.end(), nearer);
  const double background = curve.background_efficiency[nearest - efficiency.begin()];
  if (background == 0) {
    return std::nullopt;
  }
  return 1.0 / background;
}

std::string format_rejection(std::optional<double> rejection, std::int64_t num_background) {
  if (!rejection) {
    return "> " + std::to_string(num_background);
  }
  std::array<char, 64> text{};  // a rejection is at most the number of background jets
  std::snprintf(text.data(), text.size(), "%.4f", *rejection);
  return text.data();
}

}  // namespace lorentznet
