#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lorentznet/metrics.h"

namespace lorentznet {

/// Jets at or above one score: their number, or with weights the sum of these.
template <typename Count>
struct PassingOf {
  float threshold;
  Count background;
  Count signal;
};
using Passing = PassingOf<std::int64_t>;

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

  /// passing() of jets that count by their weight, [N]: sums in scikit-learn's order.
  /// \throws std::invalid_argument for another number of weights, InputError for a weight that is
  /// negative or no number, and where a class has none above 0
  std::vector<PassingOf<double>> passing(std::span<const double> weight) const;

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

RankingFigures ranking_figures(const std::vector<Passing>& passing);

/// Throws std::invalid_argument unless there are `num_rows` labels, at least one, all 0 or 1.
void check_labels(std::size_t num_rows, std::span<const std::int8_t> label);

/// Throws as check_labels, and InputError for a score that is not finite.
void check_scores(std::span<const float> score, std::span<const std::int8_t> label);

/// Throws as check_labels, and InputError for a value outside [0, 1] (rounding allowed) or NaN.
void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label);

}  // namespace lorentznet
