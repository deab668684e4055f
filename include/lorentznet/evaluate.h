#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lorentznet/batch.h"
#include "lorentznet/communicator.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// What a pass through a split needs besides the network and the jets.
struct PassOptions {
  std::string partition;    ///< "train", "valid", "val" or "test", for the lines
  std::int64_t epoch = 0;   ///< from 0, for the lines
  std::int64_t epochs = 1;  ///< for the lines
  std::int64_t batch_size = 32;
  std::int64_t num_workers = 0;     ///< batches prepared ahead, each by a thread of its own
  std::int64_t log_interval = 100;  ///< batches from one line to the next
  std::shared_ptr<const Communicator> ranks = single_process();  ///< which share the batches
  Frame frame = {};                         ///< from which jets and beams are seen
  const std::atomic<bool>* stop = nullptr;  ///< set from outside, on any rank, to end early
  Observer* observer = nullptr;             ///< is shown each batch
};

/// Scores all jets of `set` in evaluation mode. Batch b holds the jets [b B, (b+1) B), and rank
/// b mod size computes it. All ranks get the scores of all jets, bit for bit those of one process.
/// \return nothing if `options.stop` was set before the end
/// \throws InputError if the jets do not fit the network, or an option is not above 0
/// \throws std::runtime_error naming the jets of a batch whose logits or loss are not finite
std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options, const Log& log);

}  // namespace lorentznet
