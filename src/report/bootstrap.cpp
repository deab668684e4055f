#include "lorentznet/bootstrap.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lorentznet/metrics.h"
#include "report/metrics_check.h"
#include "report/replica.h"

namespace lorentznet {
namespace {

/// The rejection where no background passes.
constexpr double kNone = std::numeric_limits<double>::infinity();

/// The figures of replica `number`; one without both classes is drawn again.
ReplicaFigures draw_replica(const Ranking& ranking, std::span<const std::uint8_t> right,
                            std::uint64_t seed, std::uint64_t number,
                            std::vector<std::uint8_t>& copies, std::vector<Passing>& buffer) {
  Resampler resampler(seed, number);
  while (true) {
    resampler.draw(copies);
    const auto figures = replica_figures(ranking, right, copies, buffer);
    if (has_both_classes(buffer)) return figures;
  }
}

std::vector<ReplicaFigures> draw_replicas(const Ranking& ranking,
                                          const std::vector<std::uint8_t>& right,
                                          const BootstrapOptions& options) {
  std::vector<ReplicaFigures> replicas(static_cast<std::size_t>(options.replicas));
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    std::vector<std::uint8_t> copies(right.size());
    std::vector<Passing> buffer;
    for (auto k = next++; k < replicas.size(); k = next++) {
      replicas[k] = draw_replica(ranking, right, options.seed, k, copies, buffer);
    }
  };
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  const auto threads = options.threads > 0 ? options.threads : static_cast<std::int64_t>(cores);
  std::vector<std::jthread> others;
  for (std::int64_t k = 1; k < threads; ++k) others.emplace_back(work);
  work();
  others.clear();  // joins
  return replicas;
}

/// The value at `fraction` of the sorted ones, between two by linear interpolation (as numpy's).
double percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double weight = place - static_cast<double>(below);
  if (weight == 0 || sorted[below] == sorted[above]) return sorted[below];
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

template <typename Figure>
Interval interval_of(const std::vector<ReplicaFigures>& replicas, Figure figure) {
  std::vector<double> values;
  values.reserve(replicas.size());
  for (const auto& replica : replicas) values.push_back(figure(replica));
  std::sort(values.begin(), values.end());
  return {.low = percentile(values, 0.16), .high = percentile(values, 0.84)};
}

Json json_of(const Interval& interval) {
  const auto finite = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  return Json::array({finite(interval.low), finite(interval.high)});
}

}  // namespace

ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options) {
  check_probabilities(probability, label);
  if (options.replicas < 1) throw std::invalid_argument("a bootstrap needs a replica");
  const Ranking ranking(signal_scores(probability), label);
  std::vector<std::uint8_t> right;
  right.reserve(label.size());
  for (const std::size_t jet : ranking.order()) {
    right.push_back((probability[2 * jet + 1] > probability[2 * jet]) == (label[jet] == 1) ? 1 : 0);
  }
  const auto replicas = draw_replicas(ranking, right, options);
  using Figures = ReplicaFigures;
  return {.accuracy = interval_of(replicas, [](const Figures& f) { return f.accuracy; }),
          .auc = interval_of(replicas, [](const Figures& f) { return f.ranking.auc; }),
          .rejection_at_30 = interval_of(
              replicas, [](const Figures& f) { return f.ranking.rejection_at_30.value_or(kNone); }),
          .rejection_at_50 = interval_of(
              replicas, [](const Figures& f) { return f.ranking.rejection_at_50.value_or(kNone); }),
          .replicas = options.replicas};
}

Json to_json(const ScoreUncertainties& uncertainties) {
  return {{"replicas", uncertainties.replicas},
          {"test_acc", json_of(uncertainties.accuracy)},
          {"test_auc", json_of(uncertainties.auc)},
          {"test_1/eB_0.3", json_of(uncertainties.rejection_at_30)},
          {"test_1/eB_0.5", json_of(uncertainties.rejection_at_50)}};
}

}  // namespace lorentznet
