#pragma once

#include <torch/optim/adamw.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"
#include "lorentznet/batch.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/task.h"

namespace lorentznet::bench {

enum class Mode { kInference, kTraining };

/// "inference" or "training".
std::string name(Mode mode);

/// A kernel to measure. `isa` decides the peak that it is compared with; for the plain kernel,
/// whose instruction set LibTorch chooses, it is the best of this machine.
struct Kernel {
  bool fused = false;
  Isa isa = Isa::kPortable;

  bool operator==(const Kernel&) const = default;
};

/// "plain", "fused avx512", ...
std::string label(const Kernel& kernel);

/// {"kernel", "isa"}
Json to_json(const Kernel& kernel);

/// What is computed: the jets and the network of a task.
struct Workload {
  const Task& task;
  JetSet train, val;
  PoolingRule rule;  ///< the programs' default in training
  LorentzNetOptions options;
  StateDict state;              ///< of the checkpoint; empty: random initial weights
  double reading_jets_per_s{};  ///< from the files to JetSets
};

/// \param checkpoint  the network's weights and shape; empty: a network of this shape
/// \throws InputError if data or checkpoint cannot be used
Workload load_workload(const Task& task, const std::filesystem::path& datadir,
                       const std::filesystem::path& checkpoint, std::int64_t n_hidden,
                       std::int64_t n_layers);

/// The workload's network with `kernel`. All networks of a workload are equal.
/// \throws c10::Error or std::invalid_argument if the kernel cannot compute it
LorentzNet make_network(const Workload& workload, const Kernel& kernel);

/// `count` batches of `batch_size` jets, each with nearly the work of an average batch: it takes
/// jets evenly from the list sorted by size. So rounds are alike, and a few of them represent the
/// data. If there are too few jets, some occur several times.
std::vector<Batch> alike_batches(const Workload& workload, std::int64_t batch_size,
                                 std::int64_t count, Mode mode);

/// One jet with `nodes` nodes, including beams: the first that has enough, cut to size.
JetSet jet_of_nodes(const Workload& workload, std::int64_t nodes);

/// Floating-point operations of the H x H products of edges: two products in each layer, one in the
/// last. A training step counts four times as many, even if its kernel saves some.
double counted_flops(const LorentzNetOptions& options, const Batch& batch, Mode mode);

/// A network that scores batches, or trains on them, with one kernel.
class Runner {
 public:
  /// \throws as make_network() does
  Runner(const Workload& workload, const Kernel& kernel, Mode mode);

  /// Computes the batch's logits, or makes one step of AdamW as Trainer does.
  void run(const Batch& batch);

  LorentzNet& network() { return network_; }

 private:
  void train_on(const Batch& batch);

  const JetSet& jets_;
  Mode mode_;
  LorentzNet network_;
  torch::optim::AdamW optimizer_;
};

/// Why the workload cannot be run with `kernel`, in one line; empty if it can. Tries it on two
/// jets.
std::string reason_against(const Workload& workload, const Kernel& kernel, Mode mode);

/// error.what() up to the first line break, after which c10::Error has a backtrace.
std::string first_line(const std::exception& error);

}  // namespace lorentznet::bench
