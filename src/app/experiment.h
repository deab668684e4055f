#pragma once

#include <cstdint>

#include "app/arguments.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/records.h"
#include "lorentznet/trainer.h"
#include "parallel/processes.h"

namespace lorentznet {

/// The experiment of a run, as its folder and the flags that were given define it.
struct Experiment {
  Arguments arguments;  ///< those given, and those that args.json determines
  RunFolder folder;
  // The trained network, in test mode:
  StateDict network = {};
  std::int64_t n_scalar = 0;  ///< input scalars of a node
  std::int64_t n_class = 0;
};

/// Finds the experiment, and reads what earlier runs saved of it. A new training's folder must be
/// new; a resumed training has the flags of its args.json, a test the network's. Collective.
/// \throws InputError if the folder exists without --resume or --overwrite, if there is nothing to
///         resume or to test, if a file in it is damaged, or if a flag that was given contradicts
///         it
Experiment open_experiment(const Task& task, const Arguments& given, Processes& processes,
                           const Log& log);

/// Makes the folder that of this training: removes what --overwrite replaces, writes `args` to
/// args.json. Called after all input was checked, since a run with unusable input changes nothing.
/// Collective.
/// \throws std::system_error if it can't be written
void claim_folder(const Experiment& experiment, const Json& args, Processes& processes);

}  // namespace lorentznet
