#pragma once

#include <c10/core/Device.h>

#include <string>

#include "app/arguments.h"
#include "lorentznet/evaluate.h"
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

TrainerOptions trainer_options(const Arguments& arguments, const WarmupCosineSchedule& schedule);

}  // namespace lorentznet
