#pragma once

#include <torch/optim/adamw.h>

#include <cstdint>
#include <filesystem>

#include "lorentznet/communicator.h"
#include "lorentznet/jets.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// Sums over the batches of a pass through a split.
struct PassSums {
  double loss = 0;     ///< of weight * cross-entropy
  double correct = 0;  ///< of the weights of jets whose larger logit is that of their label
  std::int64_t jets = 0;
  double seconds = 0;
  double weight = 0;  ///< of all weights; that of a jet without one is 1

  double mean_loss() const { return loss / weight; }
  double accuracy() const { return correct / weight; }
};

/// Where a training stands.
struct TrainingProgress {
  std::int64_t epoch = 0;  ///< the epoch under way, from 0
  std::int64_t step = 0;   ///< steps of it that are done, of sums.jets jets in all
  PassSums sums;           ///< of these steps
  TrainingRecord record;   ///< of the epochs before
};

/// What a resumed training must share with the one before, or the bits would differ. (The number of
/// ranks may be another one: that is said.)
struct TrainingSetup {
  std::int64_t batch_size = 0;  ///< of a rank
  std::int64_t train_jets = 0, val_jets = 0;
  std::int64_t checksum = 0;  ///< of both splits

  TrainingSetup() = default;
  TrainingSetup(const JetSet& train, const JetSet& val, std::int64_t batch_size);
};

/// Writes all that a training is: parameters, running statistics, AdamW's moments, the random
/// generators of all ranks, progress. Whole or not at all, in the format of checkpoint.h.
/// Collective; rank 0 writes.
void write_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                          torch::optim::AdamW& optimizer, const TrainingProgress& progress,
                          const TrainingSetup& setup, const Communicator& ranks);

/// A training as its state tells it.
struct RestoredTraining {
  TrainingProgress progress;
  std::int64_t ranks = 1;  ///< that wrote it
};

/// Restores what write_training_state wrote; each rank reads the file. A rank that the training did
/// not have before keeps its random generators as they are.
/// \throws InputError if the file is damaged, or of another network, other jets or batch size
RestoredTraining read_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                                     torch::optim::AdamW& optimizer, const TrainingSetup& setup,
                                     const Communicator& ranks);

}  // namespace lorentznet
