#pragma once

#include <c10/core/Device.h>

#include <string>

#include "app/arguments.h"
#include "lorentznet/batch.h"
#include "lorentznet/evaluate.h"
#include "lorentznet/run_folder.h"
#include "lorentznet/schedule.h"
#include "lorentznet/state_dict.h"
#include "lorentznet/trainer.h"
#include "parallel/processes.h"

namespace lorentznet {

// From flags, and what earlier runs saved, to what the library takes.

/// The device that --device names, or the GPU where there is one and the build can use it. Several
/// processes of a machine take one GPU each.
/// \param local_rank  of this process among them
/// \throws InputError if it isn't there
at::Device choose_device(const std::string& name, std::int64_t local_rank = 0);

/// What all processes must agree on: the name of the experiment, drawn once, and whether a training
/// that torchrun starts again goes on from what it saved. Collective.
void agree_on_experiment(Arguments& arguments, Processes& processes);

/// Called around the first change to the experiment's folder, for agree_on_experiment() after a
/// restart.
void note_folder_is_ours(const Arguments& arguments, Processes& processes);
void note_folder_is_ready(const Arguments& arguments, Processes& processes);

/// A new training's folder must be new; a resumed one's flags come from its args.json.
/// \throws InputError if the folder is there without --resume or --overwrite, if nothing is there
///         to resume, or if a flag that was given contradicts the training so far
void adopt_experiment(Arguments& arguments, const Task& task, const RunFolder& folder);

/// Test mode: the network's shape and pooling come from the experiment's args.json.
/// \throws InputError if a flag that was given contradicts the shape
void adopt_trained_network(Arguments& arguments, const Task& task, const RunFolder& folder,
                           const Log& log);

/// Compares the size of the network to be made with that of a checkpoint, before it is made: a
/// wrong one may not fit into memory. \throws InputError with both
void check_network(const Arguments& arguments, const StateDict& state,
                   const std::filesystem::path& file, const std::filesystem::path& args_file);

/// What of a network's shape is that of its data.
struct DataShape {
  std::int64_t n_scalar = 0, n_class = 0;
};
/// What an experiment's args.json keeps of it; without that, the published network's.
/// \throws InputError if the file's numbers are none
DataShape saved_shape(const Task& task, const RunFolder& folder);

/// How jets are pooled, and the line that says so.
struct AnnouncedRule {
  PoolingRule rule;
  std::string announcement;
};

/// For a training on `data`; puts what was decided into `arguments`, for args.json.
AnnouncedRule training_rule(Arguments& arguments, const Task& task, const DataSplits& data);
AnnouncedRule testing_rule(const Arguments& arguments, const Task& task);

/// The task of the program for the jets that there are: what scalars and beams they have.
Task task_for(const Task& task, const Arguments& arguments, const JetSet& jets);

/// The task of the program for a network that takes `n_scalar` scalars of a node.
/// \throws InputError naming `file`, the network's, if there is none
Task task_for_network(const Task& task, const Arguments& arguments, std::int64_t n_scalar,
                      const std::filesystem::path& file);

/// Whether a network for `task` can take these jets. \throws InputError naming a file
void check_jets(const Task& task, const JetSet& jets, std::int64_t n_class);

LorentzNetOptions network_options(const Arguments& arguments, const Task& task,
                                  std::int64_t n_class);
TrainerOptions trainer_options(const Arguments& arguments, const WarmupCosineSchedule& schedule);

}  // namespace lorentznet
