#include "report/replica.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace lorentznet {

// SplitMix64 (Steele, Lea, Flood 2014): one multiplication chain a number, and any state is a good
// seed, which std::mt19937_64 with its 2.5 kB of state is not for so many short streams.
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
    // The upper half of a 32 x 32 bit product is uniform below `jets` to 1e-4 (of 404,000) at
    // worst.
    auto& count = copies[(next() >> 32) * jets >> 32];
    // 1 / 255! for each jet: it does not happen.
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

}  // namespace lorentznet
