#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lorentznet/metrics.h"

namespace lorentznet {

/// The jets at or above a score: their number or the sum of their weights.
template <typename Count>
struct PassingOf {
  float threshold;
  Count background;
  Count signal;
};
using Passing = PassingOf<std::int64_t>;

/// N jets by falling score, sorted once for all figures and all replicas of a bootstrap.
class Ranking {
 public:
  /// \throws as check_scores, and InputError if the jets are of one class only
  Ranking(std::span<const float> score, std::span<const std::int8_t> label);

  /// One entry for each different score, falling; the last one counts all jets.
  std::vector<Passing> passing() const;

  /// The same for a sample that holds jet `order()[k]` `copies[k]` times: a score that none of its
  /// jets has gives no entry. Reuses the memory of `passing`.
  void passing(std::span<const std::uint8_t> copies, std::vector<Passing>& passing) const;

  /// The same with each jet counted by its weight, summed in scikit-learn's order.
  /// \param weight  [N]
  /// \throws std::invalid_argument for another number of weights; InputError for a weight that is
  ///         negative or not finite, and if all weights of a class are 0
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

/// The figures of the jets that `passing` counts, at least one of each class.
RankingFigures ranking_figures(const std::vector<Passing>& passing);

/// Whether the larger of a jet's two probabilities is that of its label; equal ones count as class
/// 0. probability: [N, 2]; label: [N]
inline bool is_tagged_right(std::span<const float> probability, std::span<const std::int8_t> label,
                            std::size_t jet) {
  return (probability[2 * jet + 1] > probability[2 * jet]) == (label[jet] == 1);
}

/// Whether there are jets of label 0 and of label 1, with weights above 0; else there is no ROC
/// curve. \param weight  [N], or empty
bool has_both_classes(std::span<const std::int8_t> label, std::span<const double> weight);

/// \throws std::invalid_argument unless there are `num_rows` labels, at least one, all 0 or 1
void check_labels(std::size_t num_rows, std::span<const std::int8_t> label);

/// \throws as check_labels, and InputError for a score that is not finite
void check_scores(std::span<const float> score, std::span<const std::int8_t> label);

/// \throws as check_labels, and InputError for a value outside [0, 1] (rounding allowed) or NaN
void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label);

}  // namespace lorentznet
