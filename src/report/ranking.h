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

  /// The same with jet `order()[k]` counted as `units[k]`: a score that only jets of 0 units have
  /// gives no entry. Reuses the memory of `passing`.
  void passing_by_rank(std::span<const double> units,
                       std::vector<PassingOf<double>>& passing) const;

  /// The same with each jet counted by its weight, summed in scikit-learn's order, and without jets
  /// of weight 0.
  /// \param weight  [N]
  /// \throws std::invalid_argument for another number of weights; InputError for a weight that is
  ///         negative or not finite, and if all weights of a class are 0
  std::vector<PassingOf<double>> passing(std::span<const double> weight) const;

  /// [N] the jets' indices by falling score, equal ones in their order.
  std::span<const std::uint32_t> order() const { return order_; }

 private:
  template <typename Count, typename CountOf>
  void count(CountOf count_of, std::vector<PassingOf<Count>>& passing) const;

  struct Ranked {
    float score;
    bool signal;
    bool last_of_tie;
  };
  std::vector<std::uint32_t> order_;  // [N]
  std::vector<Ranked> jets_;          // [N]
};

/// The figures of the jets that `passing` counts, at least one of each class.
RankingFigures ranking_figures(const std::vector<PassingOf<double>>& passing);

/// [N] whether a jet's largest probability is that of its label; the first of equal ones counts.
/// probability: [N, K]; label: [N]
std::vector<std::uint8_t> tagged_right(std::span<const float> probability,
                                       std::span<const std::int8_t> label);

/// [N] 1 for jets of class `number`, else 0.
std::vector<std::int8_t> is_class(std::span<const std::int8_t> label, std::int64_t number);

/// Whether there are jets of label 0 and of label 1, with weights above 0; else there is no ROC
/// curve. \param weight  [N], or empty
bool has_both_classes(std::span<const std::int8_t> label, std::span<const double> weight);

/// \throws std::invalid_argument unless there are `num_rows` labels, at least one, all below
/// `classes`
void check_labels(std::size_t num_rows, std::span<const std::int8_t> label,
                  std::int64_t classes = 2);

/// \throws std::invalid_argument for another number of weights than `jets`, but none; InputError
/// for a weight that is negative or not finite
void check_weights(std::span<const double> weight, std::size_t jets);

/// \throws as check_labels, and InputError for a score that is not finite
void check_scores(std::span<const float> score, std::span<const std::int8_t> label);

/// \throws as check_labels, and InputError for a value outside [0, 1] (rounding allowed) or NaN
void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label,
                         std::int64_t classes = 2);

}  // namespace lorentznet
