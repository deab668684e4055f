#include "app/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/flags.h"
#include "lorentznet/error.h"
#include "parallel/collectives.h"

namespace lorentznet {
namespace {

/// Flags that may change when a training is resumed: the results do not depend on them, or, for
/// epochs, only later ones do. Whether the jets are the same is checked with the training state.
constexpr std::array kFreeOnResume = {"exp_name",    "test_mode", "log_interval",
                                      "num_workers", "datadir",   "logdir",
                                      "local_rank",  "epochs",    "init_from"};

// Notes that torchrun keeps for the processes that it starts again. Each holds the experiment's
// name.
constexpr const char* kFolderIsOurs = "folder-is-ours";    ///< written before it is changed
constexpr const char* kFolderIsReady = "folder-is-ready";  ///< args.json is there

/// The arguments after a restart by torchrun, and with a name for the experiment.
Arguments agreed_by_all(Arguments arguments, Processes& processes) {
  if (processes.launch().restarts > 0 && !arguments.test_mode) {
    if (const auto ready = processes.read_note(kFolderIsReady)) {
      arguments.exp_name = *ready;
      arguments.resume = true;
      arguments.overwrite = false;
    } else if (const auto ours = processes.read_note(kFolderIsOurs)) {
      // Killed between both notes: what the folder holds may be replaced.
      arguments.exp_name = *ours;
      arguments.overwrite = !arguments.resume;
    }
  }
  if (arguments.exp_name.empty()) {
    arguments.exp_name = text_of_rank_0(*processes.communicator(), random_name());
  }
  return arguments;
}

void check_folder(const Arguments& arguments, const RunFolder& folder) {
  const auto name = folder.path().string();
  if (arguments.test_mode) {
    if (!std::filesystem::exists(folder.path())) {
      throw InputError(name + ": there is no such experiment");
    }
  } else if (arguments.resume) {
    if (!std::filesystem::exists(folder.args())) {
      throw InputError(folder.args().string() + " does not exist: there is nothing to resume");
    }
  } else if (!arguments.overwrite && folder.has_files()) {
    throw InputError(name +
                     ": this experiment exists (--resume continues it, --overwrite replaces it)");
  }
}

std::vector<std::string> flags_from_stopped_training(const Arguments& arguments, const Task& task) {
  std::vector<std::string> names;
  for (const auto& flag : flags_of(task)) {
    const bool free =
        std::find(kFreeOnResume.begin(), kFreeOnResume.end(), flag.name) != kFreeOnResume.end();
    if (!free || !arguments.given.contains(flag.name)) names.push_back(flag.name);
  }
  return names;
}

std::vector<std::string> flags_of_trained_network(const Arguments& arguments) {
  std::vector<std::string> names{"n_hidden", "n_layers", "c_weight", "coordinates", "no_beams"};
  // --n_nodes and --pooling on the command line have priority.
  if (arguments.given.contains("n_nodes")) return names;
  if (!arguments.given.contains("pooling")) names.insert(names.end(), {"n_nodes", "pooling"});
  if (arguments.pooling == Pooling::kConstant) names.push_back("n_nodes");
  return names;
}

/// \throws InputError if args.json has a number of this name outside [least, most]
std::int64_t saved_number(const Json& saved, const std::string& name, std::int64_t if_absent,
                          std::int64_t least, std::int64_t most, const RunFolder& folder) {
  if (!saved.contains(name)) return if_absent;
  const auto& number = saved.at(name);
  if (number.is_number_integer()) {
    const auto value = number.get<std::int64_t>();
    if (value >= least && value <= most) return value;
  }
  throw InputError(fmt::format("{}: {} is {}, not a number from {} to {}", folder.args().string(),
                               name, number.dump(), least, most));
}

/// Compares the size of the network with that of its checkpoint before it is made: a wrong one may
/// not fit into memory. What is smaller, or not a LorentzNet's, is refused on loading.
void check_size(const Experiment& experiment) {
  const auto& arguments = experiment.arguments;
  const auto& folder = experiment.folder;
  std::int64_t layers = 0, hidden = 0;
  for (const auto& [name, array] : experiment.network) {
    if (name == "embedding.bias") hidden = array.element_count();
    if (name.ends_with(".phi_m.0.bias")) ++layers;
  }
  if (layers == 0 || hidden == 0) return;
  if (arguments.n_hidden <= hidden && arguments.n_layers <= layers) return;
  throw InputError(
      fmt::format("{}: has n_layers {} and n_hidden {}, but {} or the flags say {} and {}",
                  folder.best_model().string(), layers, hidden, folder.args().string(),
                  arguments.n_layers, arguments.n_hidden));
}

}  // namespace

Experiment open_experiment(const Task& task, const Arguments& given, Processes& processes,
                           const Log& log) {
  auto arguments = agreed_by_all(given, processes);
  RunFolder folder(arguments.folder());
  check_folder(arguments, folder);
  if (!arguments.test_mode && !arguments.resume) return {std::move(arguments), std::move(folder)};

  const bool has_args = std::filesystem::exists(folder.args());
  const Json saved = has_args ? read_json(folder.args()) : Json::object();
  if (!has_args) {
    log.info(folder.args().string() + " is missing: the flags define the network");
  }
  adopt_saved(arguments, saved,
              arguments.test_mode ? flags_of_trained_network(arguments)
                                  : flags_from_stopped_training(arguments, task),
              task, folder.args());
  if (!arguments.test_mode) return {std::move(arguments), std::move(folder)};

  constexpr std::int64_t kMostScalars = 4096, kMostClasses = 127;
  const Experiment experiment{
      .arguments = std::move(arguments),
      .folder = folder,
      .network = read_state_dict(folder.best_model()),
      .n_scalar = saved_number(saved, "n_scalar", task.n_scalar, 1, kMostScalars, folder),
      .n_class = saved_number(saved, "n_class", 2, 2, kMostClasses, folder)};
  check_size(experiment);
  return experiment;
}

void claim_folder(const Experiment& experiment, const Json& args, Processes& processes) {
  const auto& folder = experiment.folder;
  meet(*processes.communicator());
  if (processes.communicator()->rank() != 0) return;
  processes.write_note(kFolderIsOurs, experiment.arguments.exp_name);
  if (experiment.arguments.overwrite) folder.remove_results();
  folder.create();
  folder.remove_partial_files();
  write_json(folder.args(), args);
  processes.write_note(kFolderIsReady, experiment.arguments.exp_name);
}

}  // namespace lorentznet
