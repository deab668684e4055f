#include "lorentznet/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/ranking.h"

namespace lorentznet {

double accuracy(std::span<const float> probability, std::span<const std::int8_t> label) {
  check_probabilities(probability, label);
  std::int64_t correct = 0;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    correct += is_tagged_right(probability, label, jet) ? 1 : 0;
  }
  return static_cast<double>(correct) / static_cast<double>(label.size());
}

double cross_entropy(std::span<const float> probability, std::span<const std::int8_t> label) {
  check_probabilities(probability, label);
  constexpr double kSmallest = std::numeric_limits<float>::denorm_min();
  double sum = 0;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const double p = probability[2 * jet + static_cast<std::size_t>(label[jet])];
    sum -= std::log(std::max(p, kSmallest));
  }
  return sum / static_cast<double>(label.size());
}

ScoreSummary summarize(std::span<const float> probability, std::span<const std::int8_t> label) {
  ScoreSummary summary;
  summary.accuracy = accuracy(probability, label);
  summary.loss = cross_entropy(probability, label);
  static_cast<RankingFigures&>(summary) = ranking_figures(column_of(probability, 2, 1), label);
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

std::string format_rejection(std::optional<double> rejection, std::int64_t num_background) {
  if (!rejection) return fmt::format("> {}", num_background);
  return fmt::format("{:.4f}", *rejection);
}

}  // namespace lorentznet
