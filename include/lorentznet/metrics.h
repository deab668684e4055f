#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lorentznet {

// Figures of merit of a tagger's scores. N jets; `label` [N] is 1 for signal (top, quark) and 0 for
// background (QCD, gluon); `score` [N] is any number that is larger for more signal-like jets;
// `probability` [N, 2] holds (p0, p1) of each jet, row by row, and p1 is its score; `weight` is
// [N], or empty for weights of 1. eS and eB are the signal and background efficiencies: the
// fractions of signal and background jets whose score is at or above a threshold. Counts and sums
// are exact or in double.
//
// Unless said otherwise, all functions throw std::invalid_argument for mistakes of the caller
// (arrays whose sizes do not fit, no jets, a label other than 0 and 1), and InputError, naming the
// jet and the value, for numbers without an answer: a score that is not finite, a value that is not
// a probability, a negative weight, or, for the ROC curve, jets of one class only.

/// Fraction of the jets whose larger probability is that of their label; equal ones count as class
/// 0.
double accuracy(std::span<const float> probability, std::span<const std::int8_t> label,
                std::span<const double> weight = {});

/// Mean of -log p_label. It is computed from rounded probabilities and differs by up to 1e-7 from
/// the loss computed from logits. A p_label that underflowed to 0 counts as the smallest float, so
/// it contributes 103.3.
double cross_entropy(std::span<const float> probability, std::span<const std::int8_t> label,
                     std::span<const double> weight = {});

/// The receiver operating characteristic: K points by falling threshold, from (0, 0) to (1, 1).
struct RocCurve {
  std::vector<double> background_efficiency;  ///< [K] eB, the false-positive rate
  std::vector<double> signal_efficiency;      ///< [K] eS, the true-positive rate
  std::vector<double> threshold;              ///< [K] the first is infinite
  std::int64_t num_background = 0;            ///< jets with label 0
  std::int64_t num_signal = 0;                ///< jets with label 1
};

/// The points of scikit-learn's roc_curve(drop_intermediate=True), to the last bit: one for each
/// different score, except those where the steps before and after are the same. O(N log N).
/// \param weight  as scikit-learn's sample_weight
RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label,
                   std::span<const double> weight = {});

/// Area under the ROC curve, ties counted half, as scikit-learn's roc_auc_score. Without weights it
/// is counted in integers (the Mann-Whitney statistic) and rounded once.
double roc_auc(std::span<const float> score, std::span<const std::int8_t> label,
               std::span<const double> weight = {});

/// 1/eB at the first point whose eS is nearest to `signal_efficiency`. Empty if no background jet
/// passes there.
/// \throws std::invalid_argument if `signal_efficiency` is not in (0, 1], or the curve has no
/// points
std::optional<double> background_rejection(const RocCurve& curve, double signal_efficiency);

/// For people: "112.8668", or "> 2500" if none of 2500 background jets passes.
std::string format_rejection(std::optional<double> rejection, std::int64_t num_background);

/// What a ROC curve is summarized by.
struct RankingFigures {
  double auc = 0;
  std::optional<double> rejection_at_30;  ///< background_rejection() at eS = 0.3
  std::optional<double> rejection_at_50;  ///< and at 0.5
};

/// All of them from one sort.
RankingFigures ranking_figures(std::span<const float> score, std::span<const std::int8_t> label,
                               std::span<const double> weight = {});

struct ScoreSummary : RankingFigures {
  double accuracy = 0;
  double loss = 0;                  ///< cross_entropy()
  std::int64_t num_background = 0;  ///< jets with label 0
};

/// All figures above of N jets.
ScoreSummary summarize(std::span<const float> probability, std::span<const std::int8_t> label,
                       std::span<const double> weight = {});

/// Column `column` of values [N, width]: [N]. The scores of two classes are column_of(p, 2, 1).
std::vector<float> column_of(std::span<const float> values, std::int64_t width,
                             std::int64_t column);

/// The figures of each of K classes against all others, with p_k as the score. Empty for a class
/// that no jet or every jet belongs to, among those with weights above 0.
/// \param probability  [N, K]
/// \param label        [N] 0 .. K-1
std::vector<std::optional<RankingFigures>> one_vs_rest(std::span<const float> probability,
                                                       std::int64_t num_classes,
                                                       std::span<const std::int8_t> label,
                                                       std::span<const double> weight = {});

/// Mean of the classes' AUC, as scikit-learn's roc_auc_score(multi_class="ovr"). Empty if one of
/// them is.
std::optional<double> mean_auc(const std::vector<std::optional<RankingFigures>>& of_class);

struct BootstrapOptions {
  std::int64_t replicas = 200;
  std::uint64_t seed = 1;
  std::int64_t threads = 0;  ///< 0: as many as there are cores; the result does not depend on it
};

/// The central 68 % of a figure over the replicas of a bootstrap: its 16th and 84th percentile.
struct Interval {
  double low = 0;
  double high =
      0;  ///< of a rejection: infinite if no background jet passes in 16 % of the replicas
};

struct RankingIntervals {
  Interval auc, rejection_at_30, rejection_at_50;
};

/// How much the figures of N jets would differ for N other jets.
struct ScoreUncertainties : RankingIntervals {
  Interval accuracy;
  std::int64_t replicas = 0;
  /// With more than two classes: of each class against all others, empty for a class as in
  /// one_vs_rest(). `auc` is then that of mean_auc(), NaN if there is none, and there are no
  /// rejections.
  std::vector<std::optional<RankingIntervals>> of_class = {};
};

/// Draws N of the N jets with replacement, options.replicas times, and computes all figures of each
/// sample. One sort per ROC curve in all, O(N) a replica.
/// \param probability  [N, K]
/// \throws as summarize(), and std::invalid_argument for less than one replica
ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options = {},
                             std::span<const double> weight = {});

}  // namespace lorentznet
