#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lorentznet {

// What a tagger's scores are worth. N jets; `label` is 1 for signal (top, quark) and 0 for
// background (QCD, gluon); `score` [N] is any number that rises with being signal, `probability`
// [N, 2] holds (p0, p1) of each jet, row by row. Counts and sums are exact or in double.
//
// All functions throw std::invalid_argument when the sizes don't fit, when there is no jet, or for
// a label other than 0 and 1 (the caller's mistake), and InputError when the numbers allow no
// answer: a score that isn't finite, a value that isn't a probability, or, for the ROC, jets of one
// class only.

/// The receiver operating characteristic, K points from (0, 0) to (1, 1) by falling threshold. A
/// point counts the jets with score >= threshold.
struct RocCurve {
  std::vector<double> background_efficiency;  ///< [K] false-positive rate
  std::vector<double> signal_efficiency;      ///< [K] true-positive rate
  std::vector<double> threshold;              ///< [K] the first is infinite
  std::int64_t num_background = 0;            ///< jets with label 0
  std::int64_t num_signal = 0;                ///< jets with label 1
};

/// The points that scikit-learn's roc_curve(drop_intermediate=True) gives, to the last bit: one for
/// each different score, less those at which neither rate's step changes. O(N log N).
/// weight: [N], as sample_weight; empty: 1 each.
RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label,
                   std::span<const double> weight = {});

/// Area under the ROC curve, ties counted half, as scikit-learn's roc_auc_score. Without weights
/// counted in integers (the Mann-Whitney statistic) and rounded once.
double roc_auc(std::span<const float> score, std::span<const std::int8_t> label,
               std::span<const double> weight = {});

/// The AUC of each of K classes against all others, score p_k: empty for a class that no jet or
/// every jet is of. probability: [N, K]; label: [N], 0 .. K-1.
std::vector<std::optional<double>> one_vs_rest_auc(std::span<const float> probability,
                                                   std::int64_t num_classes,
                                                   std::span<const std::int8_t> label,
                                                   std::span<const double> weight = {});

/// Mean of the classes' AUC, as roc_auc_score(multi_class="ovr"): empty where one is.
std::optional<double> mean_auc(const std::vector<std::optional<double>>& auc_of_class);

/// Column `column` of values [N, width].
std::vector<float> column_of(std::span<const float> values, std::int64_t width,
                             std::int64_t column);

/// 1 / background efficiency at the first point whose signal efficiency is nearest to the given one
/// (in (0, 1]; std::invalid_argument otherwise, or for a curve without points). Empty when no
/// background jet passes there.
std::optional<double> background_rejection(const RocCurve& curve, double signal_efficiency);

/// What a ROC curve is summarized by.
struct RankingFigures {
  double auc = 0;
  std::optional<double> rejection_at_30;  ///< 1 / background efficiency at signal efficiency 0.3
  std::optional<double> rejection_at_50;  ///< and at 0.5
};

/// All of it from one sort. weight: [N]; empty: 1 each
RankingFigures ranking_figures(std::span<const float> score, std::span<const std::int8_t> label,
                               std::span<const double> weight = {});

/// For people: "112.8668", or "> 2500" when none of 2500 background jets passes.
std::string format_rejection(std::optional<double> rejection, std::int64_t num_background);

/// Fraction of jets whose larger probability is that of their label; equal ones count as class 0.
double accuracy(std::span<const float> probability, std::span<const std::int8_t> label);

/// Mean of -log p_label. Computed from rounded probabilities, so it differs from the loss computed
/// from logits by up to 1e-7, and a p_label that underflowed to 0 counts as the smallest float
/// (103.3) where the logits know better.
double cross_entropy(std::span<const float> probability, std::span<const std::int8_t> label);

/// p1 of each jet, the score: [N, 2] -> [N].
std::vector<float> signal_scores(std::span<const float> probability);

/// The figures of a test.
struct ScoreSummary : RankingFigures {
  double accuracy = 0;
  double loss = 0;  ///< cross_entropy()
  std::int64_t num_background = 0;
};

/// All figures of N jets at once; p1 is the score.
ScoreSummary summarize(std::span<const float> probability, std::span<const std::int8_t> label);

struct BootstrapOptions {
  std::int64_t replicas = 200;
  std::uint64_t seed = 1;
  std::int64_t threads = 0;  ///< 0: as many as there are cores; the result does not depend on it
};

/// The central 68 % of a figure over the replicas of a bootstrap: their 16th and 84th percentile.
struct Interval {
  double low = 0;
  double high = 0;  ///< of a rejection: infinite where no background passes in 16 % of the replicas
};

/// How much the figures of N jets would differ for N other ones.
struct ScoreUncertainties {
  Interval accuracy, auc, rejection_at_30, rejection_at_50;
  std::int64_t replicas = 0;
};

/// Draws N of the N jets with replacement, again and again, and computes all figures of each
/// sample. One sort in all, O(N) a replica. probability: [N, 2]; label: [N]. \throws as summarize()
/// in metrics.h, and std::invalid_argument without replicas
ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options = {});

}  // namespace lorentznet
