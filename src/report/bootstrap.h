#pragma once

#include <cstdint>
#include <optional>
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
  std::vector<RankingFigures> ranking;  ///< of each of BootstrapJets::ranked_classes()
};

/// Memory that the replicas of a thread share.
struct ReplicaBuffers {
  std::vector<std::uint8_t> copies;
  std::vector<double> units, units_by_rank;
  std::vector<PassingOf<double>> passing;
};

/// N jets of K classes, ranked once for all replicas.
class BootstrapJets {
 public:
  /// \throws as bootstrap()
  BootstrapJets(std::span<const float> probability, std::span<const std::int8_t> label,
                std::span<const double> weight);

  /// Those with a ROC curve against all other classes. Of two classes only class 1.
  const std::vector<std::int64_t>& ranked_classes() const { return classes_; }
  /// The jets in the order of the first of these curves.
  std::span<const std::uint32_t> order() const { return rankings_.front().order(); }
  /// Of the sample that holds jet order()[k] buffers.copies[k] times.
  /// \return nothing if a class of ranked_classes() has no jets in the sample, or no others
  std::optional<ReplicaFigures> figures(ReplicaBuffers& buffers) const;

 private:
  void rank(std::span<const float> probability, std::span<const std::int8_t> label);

  std::vector<std::int64_t> classes_;
  std::vector<Ranking> rankings_;  ///< of the classes
  std::vector<std::vector<std::uint32_t>>
      places_;  ///< [N] of the k-th jet of a ranking in order();
                ///< empty for the first one, where it is k
  std::vector<double>
      right_;  ///< [N] in the order of order(): 1 if the jet is tagged right, else 0
  std::vector<double> weight_;  ///< [N] in this order; empty: 1 each
};

}  // namespace lorentznet
