#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "lorentznet/error.h"
#include "lorentznet/metrics.h"
#include "report/metrics_check.h"

namespace lorentznet {
namespace {

// Jets at or above one score: their number, or with weights the sum of these.
template <typename Count>
struct Passing {
  float threshold;
  Count background;
  Count signal;
};

void check_weights(std::span<const float> score, std::span<const double> weight) {
  if (!weight.empty() && weight.size() != score.size()) {
    throw std::invalid_argument(std::to_string(weight.size()) + " weights of " +
                                std::to_string(score.size()) + " jets");
  }
  for (std::size_t jet = 0; jet < weight.size(); ++jet) {
    if (std::isfinite(weight[jet]) && weight[jet] >= 0) continue;
    throw InputError("the weight of jet " + std::to_string(jet) + " is " +
                     std::to_string(weight[jet]) + ", not a number from 0 on");
  }
}

// Jets by falling score; of equal scores the later one first, as scikit-learn has them: sums of
// weights are then its own, to the last bit.
std::vector<std::size_t> by_falling_score(std::span<const float> score) {
  std::vector<std::size_t> order(score.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
  return order;
}

// One entry for each different score, falling; the last one counts all jets.
template <typename Count>
std::vector<Passing<Count>> count_passing(std::span<const float> score,
                                          std::span<const std::int8_t> label,
                                          std::span<const double> weight) {
  check_scores(score, label);
  check_weights(score, weight);
  const auto order = by_falling_score(score);
  std::vector<Passing<Count>> passing;
  Count background = 0, signal = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t jet = order[i];
    (label[jet] == 1 ? signal : background) +=
        weight.empty() ? Count{1} : static_cast<Count>(weight[jet]);
    const bool last_of_tie = i + 1 == order.size() || score[order[i + 1]] != score[jet];
    if (last_of_tie) passing.push_back({score[jet], background, signal});
  }
  const auto& all = passing.back();
  if (!(all.signal > 0) || !(all.background > 0)) {
    throw InputError("a ROC curve needs jets of both classes, not " + std::to_string(all.signal) +
                     " signal and " + std::to_string(all.background) + " background jets");
  }
  return passing;
}

// Whether the step to b and the step from b are the same, as scikit-learn's second difference asks.
// (Points that are collinear with steps of different length stay.)
template <typename Count>
bool is_intermediate(const Passing<Count>& a, const Passing<Count>& b, const Passing<Count>& c) {
  return b.background - a.background == c.background - b.background &&
         b.signal - a.signal == c.signal - b.signal;
}

template <typename Count>
void add_points(RocCurve& curve, const std::vector<Passing<Count>>& passing) {
  const auto add = [&](double threshold, Count background, Count signal) {
    curve.background_efficiency.push_back(static_cast<double>(background) /
                                          static_cast<double>(passing.back().background));
    curve.signal_efficiency.push_back(static_cast<double>(signal) /
                                      static_cast<double>(passing.back().signal));
    curve.threshold.push_back(threshold);
  };
  // The start takes no part in the dropping, so the first score's point always stays.
  add(std::numeric_limits<double>::infinity(), 0, 0);
  for (std::size_t i = 0; i < passing.size(); ++i) {
    const bool inner = i > 0 && i + 1 < passing.size();
    if (inner && is_intermediate(passing[i - 1], passing[i], passing[i + 1])) continue;
    add(passing[i].threshold, passing[i].background, passing[i].signal);
  }
}

// Twice the trapezoids' area, in units of one (signal, background) pair.
template <typename Count>
Count twice_area(const std::vector<Passing<Count>>& passing) {
  Count area = 0;
  Passing<Count> before{0, 0, 0};
  for (const auto& here : passing) {
    area += (here.background - before.background) * (here.signal + before.signal);
    before = here;
  }
  return area;
}

template <typename Count>
double area_of(const std::vector<Passing<Count>>& passing) {
  const double pairs =
      static_cast<double>(passing.back().background) * static_cast<double>(passing.back().signal);
  return static_cast<double>(twice_area(passing)) / (2.0 * pairs);
}

}  // namespace

RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label,
                   std::span<const double> weight) {
  RocCurve curve;
  if (weight.empty()) {
    add_points(curve, count_passing<std::int64_t>(score, label, weight));
  } else {
    add_points(curve, count_passing<double>(score, label, weight));
  }
  curve.num_signal = std::count(label.begin(), label.end(), 1);
  curve.num_background = static_cast<std::int64_t>(label.size()) - curve.num_signal;
  return curve;
}

double roc_auc(std::span<const float> score, std::span<const std::int8_t> label,
               std::span<const double> weight) {
  // Integers: below 2^63 for up to two billion jets of each class.
  return weight.empty() ? area_of(count_passing<std::int64_t>(score, label, weight))
                        : area_of(count_passing<double>(score, label, weight));
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
