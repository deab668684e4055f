#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "app/arguments.h"
#include "io/folder_lock.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/records.h"
#include "lorentznet/trainer.h"
#include "parallel/processes.h"

namespace lorentznet {

/// The experiment of a run, as its folder and the flags that were given define it.
struct Experiment {
  Arguments arguments;  ///< those given, and those that args.json determines
  RunFolder folder;
  RunFolder results = folder;  ///< where a test writes: --out, or `folder`
  /// Of `results`, held by rank 0: a training excludes all other runs, a test excludes trainings.
  std::unique_ptr<FolderLock> lock = std::make_unique<FolderLock>();
  // The trained network, in test mode:
  StateDict network = {};
  std::int64_t n_scalar = 0;  ///< input scalars of a node
  std::int64_t n_class = 0;
  Json training = Json::object();  ///< contents of train-result.json, if there is one
  /// Of the jets that the network was trained on, in test mode and with --init_from; empty: it
  /// does not see the masses.
  std::optional<MassQuartiles> masses = {};
};

/// Finds the experiment, locks it if it exists, and reads what earlier runs saved of it. A new
/// training's folder must be new; a resumed training has the flags of its args.json, a test the
/// network's. With --out a test only reads the experiment, which may be in use. Collective.
/// \throws InputError if another run uses the folder, if it exists without --resume or
///         --overwrite, if there is nothing to resume or to test, if a file in it is damaged, or if
///         a flag that was given contradicts it
Experiment open_experiment(const Task& task, const Arguments& given, Processes& processes,
                           const Log& log);

/// Makes the folder that of this training, and locks it: removes what --overwrite replaces, writes
/// `args` to args.json. Called after all input was checked, since a run with unusable input changes
/// nothing. Collective.
/// \throws InputError if another run uses it, or was faster
/// \throws std::system_error if it can't be written
void claim_folder(const Experiment& experiment, const Json& args, Processes& processes,
                  const Log& log);

/// Makes the folder of a test's results, and locks it. By rank 0 alone.
/// \throws InputError if a training uses it
/// \throws std::system_error if it can't be written
void claim_results(const Experiment& experiment, const Log& log);

}  // namespace lorentznet
