#pragma once

#include <torch/optim/adamw.h>

#include <cstdint>
#include <filesystem>

#include "lorentznet/jets.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// Sums over the batches of a pass through a split.
struct PassSums {
  double loss = 0;  ///< of (mean loss of the batch) * (its jets)
  std::int64_t correct = 0, jets = 0;
  double seconds = 0;
};

/// Where a training stands.
struct TrainingProgress {
  std::int64_t epoch = 0;  ///< the epoch under way, from 0
  std::int64_t step = 0;   ///< steps of it that are done
  PassSums sums;           ///< of these steps
  TrainingRecord record;   ///< of the epochs before
};

/// What a resumed training must share with the one before, or the bits would differ.
struct TrainingSetup {
  std::int64_t batch_size = 0;
  std::int64_t train_jets = 0, val_jets = 0;
  std::int64_t checksum = 0;  ///< of both splits

  TrainingSetup() = default;
  TrainingSetup(const JetSet& train, const JetSet& val, std::int64_t batch_size);
};

/// Writes all that a training is: parameters, running statistics, AdamW's moments, the random
/// generators, progress. Whole or not at all, in the format of state_dict.h.
void write_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                          torch::optim::AdamW& optimizer, const TrainingProgress& progress,
                          const TrainingSetup& setup);

/// Restores what write_training_state wrote.
/// \throws InputError if the file is damaged, or of another network, other jets or batch size
TrainingProgress read_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                                     torch::optim::AdamW& optimizer, const TrainingSetup& setup);

}  // namespace lorentznet
