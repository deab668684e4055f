#pragma once

#include <torch/optim/adamw.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/evaluate.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// The learning rate of the published trainings: a linear warm-up, then a cosine with warm restarts
/// (Loshchilov and Hutter, arXiv:1608.03983; first period 4 epochs, each later one twice as long,
/// minimum 0), then halving.
///
/// With W warm-up epochs, base rate lr and epoch k from 0:
/// - k < W: lr * ((k + 1) / W);
/// - else lr (1 + cos(pi T / P)) / 2, where T is the place of t = k - max(W - 1, 0), which is 0 at
///   the last warm-up epoch, in its period of P = 4, 8, 16, ... epochs;
/// - from epoch 32 on, half of the epoch before, whatever stood at epoch 31 (a warm-up of more
///   than 32 epochs is therefore cut short).
///
/// The rate is a function of the epoch alone, so a resumed training needs no saved state. It equals
/// the published traces to the last digit.
class WarmupCosineSchedule {
 public:
  /// base_lr: dimensionless, finite, not negative. warmup_epochs: 0 or more; 0 and 1 mean the same.
  /// Throws InputError otherwise.
  WarmupCosineSchedule(double base_lr, std::int64_t warmup_epochs);

  /// The rate of every step of epoch `epoch` (from 0). Throws std::invalid_argument if negative.
  double learning_rate(std::int64_t epoch) const;

 private:
  double base_lr_;
  std::int64_t warmup_epochs_;
};

class Pass;
struct TrainingProgress;
struct TrainingSetup;
struct JetsOnDevice;

struct TrainerOptions {
  std::int64_t epochs = 35;
  std::int64_t batch_size = 32;   ///< jets a step and rank
  std::int64_t val_interval = 1;  ///< epochs k with k % val_interval == 0 are validated
  std::int64_t log_interval = 100;
  std::int64_t num_workers = 4;
  std::uint64_t seed = 99;  ///< of the order: epoch k uses seed + k
  double weight_decay = 1e-2;
  bool shuffle = true;  ///< off: every epoch goes through the jets in file order
  std::function<double(std::int64_t epoch)> learning_rate;  ///< of an epoch, from 0
  std::function<void(double loss)> on_step = {};  ///< called after each step, with all ranks' mean
  std::shared_ptr<const Communicator> ranks = single_process();  ///< that train together
  Observer* observer = nullptr;  ///< told of batches, steps and epochs; on rank 0
  /// Whether all jets are put on the network's device, once, and batches are gathered there; the
  /// bits are the same. Empty: on a GPU, where they take no more than half of its free memory.
  std::optional<bool> jets_on_device = {};
};

/// The training of a network: epochs of AdamW steps, validation, checkpoints, exact resume.
///
/// In the run's folder it writes checkpoint-epoch-K.pt and train-result.json each validated epoch,
/// best-val-model.pt when the validation accuracy improves, and training-state.pt, from which
/// resume() goes on to the same bits. Each file is written whole or not at all; the state comes
/// last, so a training killed in between repeats what it had not recorded.
///
/// Several ranks follow one process at a batch of all their batches: a step's jets are cut into
/// slices of equal count, batch norm's statistics and the gradients are those of all of them. Each
/// rank has a Trainer; rank 0 alone writes.
class Trainer {
 public:
  struct Data {
    const JetSet& train;
    const JetSet& val;
    const Task& task;
    PoolingRule rule;
  };

  /// Starts all ranks from rank 0's weights.
  /// \throws InputError if a split is empty or smaller than a step, or if ranks have other jets
  Trainer(LorentzNet model, const Data& data, TrainerOptions options, RunFolder folder, Log log);
  ~Trainer();

  /// Goes on from training-state.pt. \return false if there is none: training begins at the start
  /// \throws InputError if the state does not belong to this network, these jets or this batch size
  bool resume();

  enum class Outcome { kFinished, kStopped };
  /// Trains to the last epoch, or until `stop` is set on any rank: then the state is written after
  /// the current step, at any point of the epoch.
  /// \return the same on all ranks
  /// \throws std::runtime_error naming the jets if a loss is not finite, before the optimizer steps
  Outcome run(const std::atomic<bool>& stop);

  const TrainingRecord& record() const;
  /// Steps done since the training began.
  std::int64_t steps_done() const;

 private:
  bool train_epoch(const std::atomic<bool>& stop);
  bool train_step(const Batch& batch, Pass& pass, const std::atomic<bool>& stop);
  bool validate(const std::atomic<bool>& stop);
  void save_epoch(const Scores& validation);
  void report_epoch(const Scores& validation) const;
  void observe_step(const Pass& pass, double gradient_norm) const;
  void observe_epoch(const Scores& validation);
  bool observes_step() const;
  void save_state();
  bool writes() const { return options_.ranks->rank() == 0; }
  PassOptions pass_options(const std::string& partition) const;

  LorentzNet model_;
  Data data_;
  TrainerOptions options_;
  RunFolder folder_;
  Log log_;
  torch::optim::AdamW optimizer_;
  std::unique_ptr<const TrainingSetup> setup_;
  std::unique_ptr<TrainingProgress> progress_;
  std::shared_ptr<const JetsOnDevice> on_device_;  ///< null: batches come from the CPU
};

}  // namespace lorentznet
