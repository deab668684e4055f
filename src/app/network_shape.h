#pragma once

#include <cstdint>
#include <filesystem>

#include "app/arguments.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/jets.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/task.h"
#include "lorentznet/trainer.h"

namespace lorentznet {

// Whether network, data and flags fit each other, and what the network to be made looks like.

/// What of a network's shape is that of its data.
struct DataShape {
  std::int64_t n_scalar = 0, n_class = 0;
};
/// What an experiment's args.json keeps of it; without that, the published network's.
/// \throws InputError if the file's numbers are none
DataShape saved_shape(const Task& task, const RunFolder& folder);

/// The task of the program for the jets that there are: what scalars and beams they have.
Task task_for(const Task& task, const Arguments& arguments, const JetSet& jets);

/// The task of the program for a network that takes `n_scalar` scalars of a node.
/// \throws InputError naming `file`, the network's, if there is none
Task task_for_network(const Task& task, const Arguments& arguments, std::int64_t n_scalar,
                      const std::filesystem::path& file);

/// Whether a network for `task` can take these jets. \throws InputError naming a file
void check_jets(const Task& task, const JetSet& jets, std::int64_t n_class);

/// Compares the size of the network to be made with that of a checkpoint, before it is made: a
/// wrong one may not fit into memory. \throws InputError with both
void check_network(const Arguments& arguments, const StateDict& state,
                   const std::filesystem::path& file, const std::filesystem::path& args_file);

LorentzNetOptions network_options(const Arguments& arguments, const Task& task,
                                  std::int64_t n_class);

}  // namespace lorentznet
