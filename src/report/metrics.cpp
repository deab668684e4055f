#include "lorentznet/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/ranking.h"

namespace lorentznet {

namespace {

/// Mean of value_of(jet), with the jets' weights, if there are any.
template <typename ValueOf>
double mean_over_jets(std::size_t jets, std::span<const double> weight, ValueOf value_of) {
  check_weights(weight, jets);
  double sum = 0, all = 0;
  for (std::size_t jet = 0; jet < jets; ++jet) {
    const double units = weight.empty() ? 1 : weight[jet];
    sum += units * value_of(jet);
    all += units;
  }
  return sum / all;
}

}  // namespace

double accuracy(std::span<const float> probability, std::span<const std::int8_t> label,
                std::span<const double> weight) {
  check_probabilities(probability, label);
  const auto right = tagged_right(probability, label);
  return mean_over_jets(label.size(), weight,
                        [&](std::size_t jet) { return static_cast<double>(right[jet]); });
}

double cross_entropy(std::span<const float> probability, std::span<const std::int8_t> label,
                     std::span<const double> weight) {
  check_probabilities(probability, label);
  constexpr double kSmallest = std::numeric_limits<float>::denorm_min();
  return mean_over_jets(label.size(), weight, [&](std::size_t jet) {
    const double p = probability[2 * jet + static_cast<std::size_t>(label[jet])];
    return -std::log(std::max(p, kSmallest));
  });
}

ScoreSummary summarize(std::span<const float> probability, std::span<const std::int8_t> label,
                       std::span<const double> weight) {
  ScoreSummary summary;
  summary.accuracy = accuracy(probability, label, weight);
  summary.loss = cross_entropy(probability, label, weight);
  static_cast<RankingFigures&>(summary) =
      ranking_figures(column_of(probability, 2, 1), label, weight);
  summary.num_background = std::count(label.begin(), label.end(), 0);
  return summary;
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

std::vector<std::optional<RankingFigures>> one_vs_rest(std::span<const float> probability,
                                                       std::int64_t num_classes,
                                                       std::span<const std::int8_t> label,
                                                       std::span<const double> weight) {
  std::vector<std::optional<RankingFigures>> figures;
  for (std::int64_t k = 0; k < num_classes; ++k) {
    figures.emplace_back();
    const auto is_signal = is_class(label, k);
    if (!has_both_classes(is_signal, weight)) continue;
    figures.back() = ranking_figures(column_of(probability, num_classes, k), is_signal, weight);
  }
  return figures;
}

std::optional<double> mean_auc(const std::vector<std::optional<RankingFigures>>& of_class) {
  double sum = 0;
  for (const auto& figures : of_class) {
    if (!figures) return std::nullopt;
    sum += figures->auc;
  }
  return sum / static_cast<double>(of_class.size());
}

std::string format_rejection(std::optional<double> rejection, std::int64_t num_background) {
  if (!rejection) return fmt::format("> {}", num_background);
  return fmt::format("{:.4f}", *rejection);
}

}  // namespace lorentznet
