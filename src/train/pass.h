#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "lorentznet/evaluate.h"
#include "train/training_state.h"

namespace lorentznet {

class ResidentJets;

/// What is counted of a batch; each jet counts by its weight, 1 if it has none.
struct BatchFigures {
  double loss = 0;  ///< sum of weight * cross-entropy, divided by the number of jets
  double correct =
      0;              ///< sum of the weights of the jets whose largest logit is that of their label
  double weight = 0;  ///< sum of all weights
  std::int64_t jets = 0;
};

/// Sums over the batches of a pass through a split, and the lines that report them.
class Pass {
 public:
  /// \param before         from which a resumed epoch continues
  /// \param learning_rate  of a training, for the observer
  Pass(const PassOptions& options, std::int64_t num_batches, const Log& log, const PassSums& before,
       std::optional<double> learning_rate = {});

  /// Counts batch `index` (from 0) and reports every log_interval batches.
  void add(std::int64_t index, const BatchFigures& batch);

  double mean_loss() const { return sums_.mean_loss(); }
  double accuracy() const { return sums_.accuracy(); }
  /// The sums so far, with the time until now.
  PassSums sums() const;
  /// Means over the last log_interval batches.
  double recent_loss() const;
  double recent_accuracy() const;

 private:
  void report(std::int64_t index) const;
  void tell_observer(std::int64_t index) const;

  const PassOptions& options_;
  std::int64_t num_batches_;
  const Log& log_;
  PassSums sums_;
  std::optional<double> learning_rate_;
  std::deque<BatchFigures> recent_;  ///< the last log_interval batches
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Loss and hits of one batch, on the device that computes them.
struct BatchResult {
  at::Tensor loss;     ///< scalar; mean over the jets of weight * cross-entropy
  at::Tensor figures;  ///< [3] double: loss, correct and weight as in BatchFigures. [2] without
                       ///< weights, of which the sum is the number of jets
};

/// \param figures  of a BatchResult
BatchFigures figures_of(std::span<const double> figures, std::int64_t jets);

/// Whether each jet's largest value is that of its label; the first of equal ones counts.
/// \param values  [J, K] logits or probabilities
/// \param label   [J]
/// \return [J] bool
at::Tensor tagged_right(const at::Tensor& values, const at::Tensor& label);

/// logits: [J, K]. `batch` is on their device, and its labels are known.
BatchResult score_batch(const at::Tensor& logits, const Batch& batch);

/// \throws std::runtime_error naming the jets of a batch if its loss is not finite
void check_finite(double loss, const JetSet& set, std::span<const std::int64_t> jets);

/// evaluate() with batches gathered from `resident`, tables of `set` on the network's device, or,
/// if null, from `set` itself.
std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options, const Log& log,
                               const ResidentJets* resident);

}  // namespace lorentznet
