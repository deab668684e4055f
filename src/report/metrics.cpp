#include "lorentznet/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/metrics_check.h"

namespace lorentznet {

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

}  // namespace lorentznet
