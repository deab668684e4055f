#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "lorentznet/metrics.h"
#include "report/ranking.h"

namespace lorentznet {
namespace {

// Whether the step to b and the step from b are the same, as scikit-learn's second difference asks.
// (Points that are collinear with steps of different length stay.)
bool is_intermediate(const Passing& a, const Passing& b, const Passing& c) {
  return b.background - a.background == c.background - b.background &&
         b.signal - a.signal == c.signal - b.signal;
}

/// Calls f with (0, 0) and with the points of the curve, less the intermediate ones.
template <typename F>
void for_each_point(std::span<const Passing> passing, F f) {
  // The start takes no part in the dropping, so the first score's point always stays.
  f(Passing{std::numeric_limits<float>::infinity(), 0, 0});
  for (std::size_t i = 0; i < passing.size(); ++i) {
    const bool inner = i > 0 && i + 1 < passing.size();
    if (inner && is_intermediate(passing[i - 1], passing[i], passing[i + 1])) continue;
    f(passing[i]);
  }
}

double fraction(std::int64_t part, std::int64_t all) {
  return static_cast<double>(part) / static_cast<double>(all);
}

/// The first point whose signal efficiency is nearest to one that is wanted.
struct Nearest {
  double wanted;
  double distance = std::numeric_limits<double>::infinity();
  std::int64_t background = 0;

  void look_at(const Passing& point, const Passing& all) {
    const double here = std::abs(fraction(point.signal, all.signal) - wanted);
    if (here < distance) {
      distance = here;
      background = point.background;
    }
  }
  std::optional<double> rejection(const Passing& all) const {
    if (background == 0) return std::nullopt;
    return 1.0 / fraction(background, all.background);
  }
};

}  // namespace

RocCurve roc_curve(std::span<const Passing> passing) {
  RocCurve curve;
  curve.num_background = passing.back().background;
  curve.num_signal = passing.back().signal;
  for (auto* const list :
       {&curve.background_efficiency, &curve.signal_efficiency, &curve.threshold}) {
    list->reserve(passing.size() + 1);
  }
  for_each_point(passing, [&](const Passing& point) {
    curve.background_efficiency.push_back(fraction(point.background, curve.num_background));
    curve.signal_efficiency.push_back(fraction(point.signal, curve.num_signal));
    curve.threshold.push_back(point.threshold);
  });
  return curve;
}

RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label) {
  return roc_curve(Ranking(score, label).passing());
}

double roc_auc(std::span<const Passing> passing) {
  // Twice the trapezoids' area in units of one (signal, background) pair is an integer, below 2^63
  // for up to two billion jets of each class.
  std::int64_t twice_area = 0;
  Passing before{0, 0, 0};
  for (const Passing& here : passing) {
    twice_area += (here.background - before.background) * (here.signal + before.signal);
    before = here;
  }
  const double pairs = static_cast<double>(before.background) * static_cast<double>(before.signal);
  return static_cast<double>(twice_area) / (2.0 * pairs);
}

double roc_auc(std::span<const float> score, std::span<const std::int8_t> label) {
  return roc_auc(Ranking(score, label).passing());
}

RankingFigures ranking_figures(std::span<const Passing> passing) {
  const Passing& all = passing.back();
  Nearest at_30{.wanted = 0.3}, at_50{.wanted = 0.5};
  for_each_point(passing, [&](const Passing& point) {
    at_30.look_at(point, all);
    at_50.look_at(point, all);
  });
  return {.auc = roc_auc(passing),
          .rejection_at_30 = at_30.rejection(all),
          .rejection_at_50 = at_50.rejection(all)};
}

RankingFigures ranking_figures(std::span<const float> score, std::span<const std::int8_t> label) {
  return ranking_figures(Ranking(score, label).passing());
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
