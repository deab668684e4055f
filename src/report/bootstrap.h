#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "report/ranking.h"

namespace lorentznet {

/// Draws samples of N jets out of N, with replacement. They depend on seed and replica alone.
class Resampler {
 public:
  Resampler(std::uint64_t seed, std::uint64_t replica);

  /// \param copies  [N] becomes how often each jet was drawn; the sum is N
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
/// \param copies  [N] how often the sample holds each jet, in that order
/// \param buffer  becomes ranking.passing(copies)
ReplicaFigures replica_figures(const Ranking& ranking, std::span<const std::uint8_t> right,
                               std::span<const std::uint8_t> copies, std::vector<Passing>& buffer);

/// Whether a sample has jets of both classes; otherwise it has no ROC curve.
bool has_both_classes(std::span<const Passing> passing);

}  // namespace lorentznet
