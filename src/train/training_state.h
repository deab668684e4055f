#pragma once

#include <cstdint>
#include <filesystem>

#include "lorentznet/communicator.h"
#include "lorentznet/jets.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace torch::optim {
class AdamW;
}

namespace lorentznet {

/// Sums over the batches of a pass through a split. A jet without a weight has the weight 1.
struct PassSums {
  double loss = 0;     ///< of weight * cross-entropy
  double correct = 0;  ///< of the weights of jets whose largest logit is that of their label
  std::int64_t jets = 0;
  double seconds = 0;
  double weight = 0;  ///< of all weights

  double mean_loss() const { return loss / weight; }
  double accuracy() const { return correct / weight; }
};

/// How far a training is.
struct TrainingProgress {
  std::int64_t epoch = 0;  ///< the current epoch, from 0
  std::int64_t step = 0;   ///< its steps done so far, with sums.jets jets in all
  PassSums sums;           ///< of these steps
  TrainingRecord record;   ///< of the epochs before
};

/// What must stay the same when a training is resumed, or the results would differ. (The number of
/// ranks may change, which a line then says.)
struct TrainingSetup {
  std::int64_t batch_size = 0;  ///< of a rank
  std::int64_t train_jets = 0, val_jets = 0;
  std::int64_t checksum = 0;         ///< of both splits, except their columns
  std::int64_t column_checksum = 0;  ///< of their columns, which count in Pooling::kBatch

  TrainingSetup(const JetSet& train, const JetSet& val, std::int64_t batch_size);
};

/// A number that depends on every bit of the parameters.
std::int64_t checksum_of(const LorentzNetImpl& model);

/// Writes the complete state of a training: parameters, running statistics, AdamW's moments, the
/// random generators of all ranks, progress. The file is a state dict, written completely or not at
/// all. Collective; rank 0 writes.
/// \throws std::system_error naming the file
void write_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                          torch::optim::AdamW& optimizer, const TrainingProgress& progress,
                          const TrainingSetup& setup, const Communicator& ranks);

struct RestoredTraining {
  TrainingProgress progress;
  std::int64_t ranks = 1;  ///< of the training that wrote the state
  bool on_gpu = false;     ///< it ran on a GPU
};

/// Restores what write_training_state wrote; each rank reads the file. A rank or a GPU that the
/// training did not have before keeps its random generators as they are.
/// \throws InputError if the file is damaged, or of another network, other jets or batch size
RestoredTraining read_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                                     torch::optim::AdamW& optimizer, const TrainingSetup& setup,
                                     const Communicator& ranks);

}  // namespace lorentznet
