#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lorentznet/metrics.h"

namespace lorentznet {

/// Jets at or above one score.
struct Passing {
  float threshold;
  std::int64_t background;
  std::int64_t signal;
};

/// N jets by falling score: sorted once, for all figures and all replicas of a bootstrap.
class Ranking {
 public:
  /// \throws as check_scores, and InputError where the jets are of one class only
  Ranking(std::span<const float> score, std::span<const std::int8_t> label);

  /// One entry for each different score, falling; the last one counts all jets.
  std::vector<Passing> passing() const;

  /// The same of a sample in which jet `order()[k]` is `copies[k]` times, as if these were its
  /// jets: a score that none of them has gives no entry. Reuses the memory of `passing`.
  void passing(std::span<const std::uint8_t> copies, std::vector<Passing>& passing) const;

  /// [N] the jets' indices by falling score, equal ones in their order.
  std::span<const std::uint32_t> order() const { return order_; }

 private:
  struct Ranked {
    float score;
    bool signal;
    bool last_of_tie;
  };
  std::vector<std::uint32_t> order_;  // [N]
  std::vector<Ranked> jets_;          // [N]
};

RocCurve roc_curve(std::span<const Passing> passing);
double roc_auc(std::span<const Passing> passing);
RankingFigures ranking_figures(std::span<const Passing> passing);

}  // namespace lorentznet
