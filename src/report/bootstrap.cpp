#include "report/bootstrap.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lorentznet/metrics.h"
#include "report/ranking.h"

namespace lorentznet {
namespace {

/// The rejection where no background jet passes.
constexpr double kNoBackground = std::numeric_limits<double>::infinity();

/// The figures of replica `number`. A sample of one class only is drawn again.
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

/// As numpy.percentile: linear interpolation between two of the sorted values.
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

}  // namespace

// SplitMix64 (Steele, Lea, Flood 2014): two multiplications a number, and any state is a good seed.
// std::mt19937_64 would have to fill 2.5 kB of state for each of these short streams.
Resampler::Resampler(std::uint64_t seed, std::uint64_t replica) : state_(seed) {
  state_ = next() ^ (replica * 0xD1342543DE82EF95U);
  state_ = next();
}

std::uint64_t Resampler::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

void Resampler::draw(std::span<std::uint8_t> copies) {
  std::fill(copies.begin(), copies.end(), std::uint8_t{0});
  const auto jets = static_cast<std::uint64_t>(copies.size());
  for (std::uint64_t k = 0; k < jets; ++k) {
    // The upper half of a 32 x 32 bit product: for 404,000 jets, no jet is likelier than another by
    // more than 1e-4.
    auto& count = copies[(next() >> 32) * jets >> 32];
    // More copies do not fit, but a jet is drawn so often with probability 1 / 255!.
    if (count < std::numeric_limits<std::uint8_t>::max()) ++count;
  }
}

bool has_both_classes(std::span<const Passing> passing) {
  return passing.back().signal > 0 && passing.back().background > 0;
}

ReplicaFigures replica_figures(const Ranking& ranking, std::span<const std::uint8_t> right,
                               std::span<const std::uint8_t> copies, std::vector<Passing>& buffer) {
  ranking.passing(copies, buffer);
  if (!has_both_classes(buffer)) return {};
  const auto hits = std::inner_product(right.begin(), right.end(), copies.begin(), std::int64_t{0});
  const auto jets = std::accumulate(copies.begin(), copies.end(), std::int64_t{0});
  return {.accuracy = static_cast<double>(hits) / static_cast<double>(jets),
          .ranking = ranking_figures(buffer)};
}

ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options) {
  check_probabilities(probability, label);
  if (options.replicas < 1) throw std::invalid_argument("a bootstrap needs at least one replica");
  const Ranking ranking(column_of(probability, 2, 1), label);
  std::vector<std::uint8_t> right;
  right.reserve(label.size());
  for (const std::size_t jet : ranking.order()) {
    right.push_back(is_tagged_right(probability, label, jet) ? 1 : 0);
  }
  const auto replicas = draw_replicas(ranking, right, options);
  using Figures = ReplicaFigures;
  return {.accuracy = interval_of(replicas, [](const Figures& f) { return f.accuracy; }),
          .auc = interval_of(replicas, [](const Figures& f) { return f.ranking.auc; }),
          .rejection_at_30 = interval_of(
              replicas,
              [](const Figures& f) { return f.ranking.rejection_at_30.value_or(kNoBackground); }),
          .rejection_at_50 = interval_of(
              replicas,
              [](const Figures& f) { return f.ranking.rejection_at_50.value_or(kNoBackground); }),
          .replicas = options.replicas};
}

}  // namespace lorentznet
