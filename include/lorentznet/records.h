#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lorentznet {

/// What train-result.json holds: one entry per validated epoch. Times are in seconds.
struct TrainingRecord {
  std::vector<std::int64_t> epochs;  ///< from 0
  std::vector<double> lr, train_time, val_time, train_loss, val_loss, train_acc, val_acc;
  double best_val = 0;          ///< highest validation accuracy so far
  std::int64_t best_epoch = 0;  ///< the first epoch that reached it
};

/// What a test adds to it. Figures that need both classes, or background jets that pass, are empty
/// where they have no value; JSON then holds null.
struct TestRecord {
  double loss = 0, accuracy = 0;
  std::optional<double> auc, rejection_at_30, rejection_at_50;
  std::int64_t num_background = 0;
  /// With more than two classes: of each class against all others; `auc` is then their mean, and
  /// there are no rejections.
  std::vector<std::optional<double>> auc_of_class = {};
};

/// A pass through a split, after one of its batches.
struct PassProgress {
  const std::string& partition;              ///< "train", "valid", "val" or "test"
  std::int64_t epoch, epochs;                ///< from 0
  std::int64_t batches_done, batches;        ///< of the pass
  std::int64_t jets;                         ///< done, of all ranks
  double seconds;                            ///< that they took
  double loss, accuracy;                     ///< means so far
  std::optional<double> learning_rate = {};  ///< in training
};

/// A training, every log_interval steps.
struct StepFigures {
  std::int64_t step;      ///< steps done since the training began, from 1
  double loss, accuracy;  ///< of the last log_interval steps of the epoch, as far as there are any
  double learning_rate;
  double jets_per_second;  ///< of the epoch so far
  double gradient_norm;    ///< of the step: root of the sum of all gradients' squares
};

/// An epoch that was validated.
struct EpochFigures {
  std::int64_t step;  ///< steps done since the training began
  std::int64_t epoch;
  double train_loss, train_accuracy, val_loss, val_accuracy;
  double learning_rate;
  std::optional<double> auc, rejection_at_30, rejection_at_50;  ///< of the validation
  double clamped_fraction;  ///< of the translations of some validation jets
};

/// Told what a run does while it does it. Called by the thread that computes: be brief.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_batch(const PassProgress& /*progress*/) {}
  virtual void on_step(const StepFigures& /*figures*/) {}
  virtual void on_epoch(const EpochFigures& /*figures*/) {}
};

}  // namespace lorentznet
