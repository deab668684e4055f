#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "lorentznet/evaluate.h"
#include "lorentznet/training_state.h"

namespace lorentznet {

/// Sums over the batches of a pass through a split, and the lines that report them.
class Pass {
 public:
  /// \param before         what a resumed epoch goes on from
  /// \param learning_rate  of a training, for the observer
  Pass(const PassOptions& options, std::int64_t num_batches, const Log& log, const PassSums& before,
       std::optional<double> learning_rate = {});

  /// Counts batch `index` (from 0) and reports every log_interval batches.
  void add(std::int64_t index, double loss, std::int64_t correct, std::int64_t jets);

  double mean_loss() const { return sums_.loss / static_cast<double>(sums_.jets); }
  double accuracy() const {
    return static_cast<double>(sums_.correct) / static_cast<double>(sums_.jets);
  }
  /// The sums so far, with the time until now.
  PassSums sums() const;
  /// Means over the last log_interval batches.
  double recent_loss() const;
  double recent_accuracy() const;

 private:
  struct BatchFigures {
    double loss;
    std::int64_t correct, jets;
  };
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

/// Loss and hits of one batch. logits: [J, K]; label: [J].
struct BatchResult {
  at::Tensor loss;  ///< scalar, mean cross-entropy
  std::int64_t correct;
};
/// \throws std::runtime_error naming the jets of the batch if its loss is not finite
void check_finite(double loss, const JetSet& set, const Batch& batch);
BatchResult score_batch(const at::Tensor& logits, const at::Tensor& label);

}  // namespace lorentznet
