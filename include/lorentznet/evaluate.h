#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/batch.h"
#include "lorentznet/communicator.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

class ResidentJets;

/// What a pass through a split needs besides the network.
struct PassOptions {
  std::string partition;    ///< "train", "valid", "val" or "test", for the lines
  std::int64_t epoch = 0;   ///< from 0, for the lines
  std::int64_t epochs = 1;  ///< for the lines
  std::int64_t batch_size = 32;
  std::int64_t num_workers = 0;
  std::int64_t log_interval = 100;
  std::shared_ptr<const Communicator> ranks = single_process();  ///< that share the batches
  Frame frame = {};                         ///< jets and beams are seen from there
  const ResidentJets* resident = nullptr;   ///< tables of the jets on the network's device
  const std::atomic<bool>* stop = nullptr;  ///< set from outside, on any rank, to end early
  Observer* observer = nullptr;             ///< told of each batch
};

/// Jets scored in the order of their set; N jets, K classes. Jets count by their weights, where
/// they have any. Where the label of a jet is not known, loss and accuracy are not finite.
struct Scores {
  double loss = 0;      ///< mean cross-entropy
  double accuracy = 0;  ///< fraction whose largest logit is that of their label
  double seconds = 0;
  std::vector<float> probability;  ///< [N, K] (p0, p1, ...)
  std::vector<std::int8_t> label;  ///< [N]; -1: not known
  std::vector<double> weight;      ///< [N]; empty: 1 each
  std::vector<std::int64_t> id;    ///< [N]; empty: none

  std::int64_t num_classes() const {
    return static_cast<std::int64_t>(probability.size() / label.size());
  }
};

/// Scores all jets of `set` in evaluation mode. Batch b is the jets [b B, (b+1) B), and rank
/// b mod size takes it; all ranks get the scores of all jets, with the digits of a single process.
/// \return nothing if `options.stop` was set before the end
std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options, const Log& log);

/// The figures of a test whose labels are all known. AUC and rejections are empty where the jets
/// are of one class only.
TestRecord summarize_test(const Scores& scores);

}  // namespace lorentznet
