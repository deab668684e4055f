#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/kernel_choice.h"
#include "lorentznet/batch.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/task.h"

namespace lorentznet::bench {

/// What is computed: a task's jets, and its network.
struct Workload {
  const Task& task;
  JetSet train, val;
  PoolingRule rule;  ///< the programs' default in training
  LorentzNetOptions options;
  StateDict state;              ///< of the checkpoint; empty: random initial weights
  double reading_jets_per_s{};  ///< of the data folder, file to JetSet
};

/// \param checkpoint  the network's weights and shape; empty: the task's default network
/// \throws InputError if data or checkpoint cannot be used
Workload load_workload(const Task& task, const std::filesystem::path& datadir,
                       const std::filesystem::path& checkpoint);

/// The workload's network with the kernel of `choice`. All networks of a workload are equal.
LorentzNet make_network(const Workload& workload, const KernelChoice& choice);

/// `count` batches of `batch_size` jets each, all of nearly the same work, which is that of the
/// average batch: each takes jets of all sizes, evenly spaced in the jets sorted by size. Rounds of
/// a measurement are then alike, and few of them speak for the data. Jets that are too few for that
/// are taken again.
std::vector<Batch> alike_batches(const Workload& workload, std::int64_t batch_size,
                                 std::int64_t count, Mode mode);

/// One jet with `nodes` nodes, beams included: the first of the data that has enough, cut to size.
JetSet jet_of_nodes(const Workload& workload, std::int64_t nodes);

/// Floating-point operations that count: the H x H products of an edge, two in each layer and one
/// in the last; a training step counts four times as many, whether or not its kernel saves some.
double counted_flops(const LorentzNetOptions& options, const Batch& batch, Mode mode);

}  // namespace lorentznet::bench
