#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "report/ranking.h"

namespace lorentznet {

/// Draws samples of N jets out of N. What it draws for a replica depends on seed and replica alone.
class Resampler {
 public:
  Resampler(std::uint64_t seed, std::uint64_t replica);

  /// How often each of the N jets was drawn, [N] with sum N.
  void draw(std::span<std::uint8_t> copies);

 private:
  std::uint64_t next();

  std::uint64_t state_;
};

/// The figures of one sample.
struct ReplicaFigures {
  double accuracy = 0;
  RankingFigures ranking;
};

/// \param right   [N] whether each jet is tagged right, in the order of `ranking`
/// \param copies  [N] how often each is in the sample, in that order
/// \param buffer  memory to reuse
ReplicaFigures replica_figures(const Ranking& ranking, std::span<const std::uint8_t> right,
                               std::span<const std::uint8_t> copies, std::vector<Passing>& buffer);

/// Whether a sample has jets of both classes, without which it has no ROC curve.
bool has_both_classes(std::span<const Passing> passing);

}  // namespace lorentznet
