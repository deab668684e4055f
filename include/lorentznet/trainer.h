#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

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
/// - else lr (1 + cos(pi T / P)) / 2: t = k - max(W - 1, 0) counts epochs from the last one of the
///   warm-up, and T is the position of t in its period of P = 4, 8, 16, ... epochs;
/// - from epoch 32 on, half the rate of the epoch before (which ends a warm-up of more than 32
///   epochs).
///
/// The rate depends on the epoch alone, so a resumed training needs no saved state. It equals the
/// published traces to the last digit.
class WarmupCosineSchedule {
 public:
  /// \param base_lr        finite, not negative
  /// \param warmup_epochs  0 or more; 0 and 1 mean the same
  /// \throws InputError for other values
  WarmupCosineSchedule(double base_lr, std::int64_t warmup_epochs);

  /// The rate of every step of epoch `epoch`, from 0.
  /// \throws std::invalid_argument for a negative epoch
  double learning_rate(std::int64_t epoch) const;

 private:
  double base_lr_;
  std::int64_t warmup_epochs_;
};

struct TrainerOptions {
  std::int64_t epochs = 35;
  std::int64_t batch_size = 32;   ///< jets of a rank in a step
  std::int64_t val_interval = 1;  ///< epochs k with k % val_interval == 0 are validated
  std::int64_t log_interval = 100;
  std::int64_t num_workers = 4;
  std::uint64_t seed = 99;  ///< of the order of the jets: epoch k uses seed + k
  double weight_decay = 1e-2;
  bool shuffle = true;  ///< off: each epoch visits the jets in file order
  std::function<double(std::int64_t epoch)> learning_rate;  ///< required; epochs count from 0
  std::function<void(double loss)> on_step = {};  ///< called after each step, with all ranks' mean
  std::shared_ptr<const Communicator> ranks = single_process();  ///< which train together
  Observer* observer = nullptr;  ///< is shown batches, steps and epochs
  /// Whether the jets are copied once to the network's device, where batches are then gathered; the
  /// results are the same bit for bit. Empty: on a GPU, if they take at most half of its free
  /// memory.
  std::optional<bool> jets_on_device = {};
};

/// The training of a network: epochs of AdamW steps, validation, checkpoints, exact resume.
///
/// It writes to the run's folder: training-state.pt before the first step; after each validated
/// epoch checkpoint-epoch-K.pt and train-result.json, best-val-model.pt when the validation
/// accuracy improves, and last training-state.pt, from which resume() continues bit for bit. Each
/// file is written completely or not at all. A training that is killed before its state is written
/// repeats what came after the previous one.
///
/// Several ranks train as one process would with a batch of all their batches: the jets of a step
/// are divided equally, and the statistics of batch norm and the gradients are those of all ranks.
/// Each rank has a Trainer; rank 0 alone writes.
class Trainer {
 public:
  struct Data {
    const JetSet& train;
    const JetSet& val;
    const Task& task;
    PoolingRule rule;
  };

  /// Collective, as all functions that follow. What `data` refers to must outlive the trainer.
  /// \throws InputError if an option is not above 0, if a split is empty or smaller than a step, if
  /// a jet has no label or one
  ///         that the network has no class for, or if the ranks have different jets
  Trainer(LorentzNet model, const Data& data, TrainerOptions options, RunFolder folder, Log log);
  ~Trainer();

  /// Continues from training-state.pt.
  /// \return false if there is none: training begins at the start
  /// \throws InputError if the state is of another network, other jets or another batch size
  bool resume();

  enum class Outcome { kFinished, kStopped };
  /// Trains to the last epoch, or until `stop` is set on any rank: then it finishes the current
  /// step and writes the state. Unless resumed, all ranks start from rank 0's weights.
  /// \return the same on all ranks
  /// \throws std::runtime_error naming the jets if a loss is not finite, before the optimizer steps
  Outcome run(const std::atomic<bool>& stop);

  const TrainingRecord& record() const;
  /// Steps done since the training began.
  std::int64_t steps_done() const;

 private:
  class Course;
  std::unique_ptr<Course> course_;
};

}  // namespace lorentznet
