#include "app/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/flags.h"
#include "app/trained_network.h"
#include "lorentznet/error.h"
#include "parallel/collectives.h"
#include "tagger/network.h"

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

void refuse_existing(const Experiment& experiment) {
  const auto& arguments = experiment.arguments;
  if (arguments.resume || arguments.overwrite || !experiment.folder.has_files()) return;
  throw InputError(experiment.folder.path().string() +
                   ": this experiment exists (--resume continues it, --overwrite replaces it)");
}

/// --out replaces no other experiment's results.
RunFolder results_folder(const Arguments& arguments, const RunFolder& folder) {
  if (arguments.out.empty()) return folder;
  const RunFolder results(arguments.out);
  const auto& path = results.path();
  std::error_code missing;
  const bool same = std::filesystem::equivalent(path, folder.path(), missing);
  if (std::filesystem::exists(results.args()) && !same) {
    throw InputError("--out: " + path.string() + " is another experiment: it has an args.json");
  }
  if (std::filesystem::exists(path) && !std::filesystem::is_directory(path)) {
    throw InputError("--out: " + path.string() + " is not a folder");
  }
  return results;
}

void check_folder(const Experiment& experiment) {
  const auto& folder = experiment.folder;
  if (experiment.arguments.test_mode) {
    if (std::filesystem::exists(folder.path())) return;
    throw InputError(folder.path().string() + ": there is no such experiment");
  }
  refuse_existing(experiment);
  if (experiment.arguments.resume && !std::filesystem::exists(folder.args())) {
    throw InputError(folder.args().string() + " does not exist: there is nothing to resume");
  }
  if (!experiment.arguments.resume || std::filesystem::exists(folder.training_state())) return;
  if (const auto result = folder.a_result()) {
    throw InputError(
        fmt::format("{} is missing, but {} is there: this training can't be continued "
                    "(--overwrite starts it anew)",
                    folder.training_state().string(), result->filename().string()));
  }
}

void lock_results(const Experiment& experiment, const Log& log) {
  const bool tests = experiment.arguments.test_mode;
  const auto problem = experiment.lock->take(
      experiment.results.path(), tests ? FolderLock::Kind::kShared : FolderLock::Kind::kExclusive,
      tests ? "test" : "training", tests ? " (--out DIR writes the results elsewhere)" : "");
  if (!problem.empty()) log.info("Warning: " + problem + "; no other run may use it now");
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

/// The flags of a test that args.json determines. Without flags of the data it is of the jets that
/// the training was tested on.
std::vector<std::string> flags_of_test(const Arguments& arguments) {
  auto names = flags_of_trained_network(arguments);
  for (const auto* const flag : {"datadir", "test_data", "download", "generator", "with_bc"}) {
    if (arguments.given.contains(flag)) return names;
  }
  names.emplace_back("datadir");
  if (!arguments.given.contains("num_data")) names.emplace_back("num_data");
  return names;
}

/// Says whose jets are tested if args.json determines it. \throws InputError if they are gone
void announce_saved_data(const Arguments& arguments, const RunFolder& folder, const Log& log) {
  if (!std::filesystem::exists(arguments.datadir)) {
    throw InputError(folder.args().string() + ": its datadir " + arguments.datadir +
                     " does not exist: name the jets with --datadir or --test_data");
  }
  log.info(fmt::format("Data: {}, as in the training (--datadir and --test_data name others)",
                       arguments.datadir));
}

/// Compares the size of the network with that of its checkpoint before it is made: a wrong one may
/// not fit into memory.
void check_size(const Experiment& experiment) {
  const auto& arguments = experiment.arguments;
  const auto file = experiment.folder.best_model().string();
  const auto shape = network_shape(experiment.network, file);
  if (arguments.n_hidden == shape.hidden && arguments.n_layers == shape.layers) return;
  throw InputError(fmt::format(
      "{}: has n_layers {} and n_hidden {}, but {} or the flags say {} and {}", file, shape.layers,
      shape.hidden, experiment.folder.args().string(), arguments.n_layers, arguments.n_hidden));
}

}  // namespace

Experiment open_experiment(const Task& task, const Arguments& given, Processes& processes,
                           const Log& log) {
  const auto agreed = agreed_by_all(given, processes);
  Experiment experiment{.arguments = agreed,
                        .folder = RunFolder(agreed.folder()),
                        .results = results_folder(agreed, RunFolder(agreed.folder()))};
  auto& arguments = experiment.arguments;
  const auto& folder = experiment.folder;
  check_folder(experiment);
  if (given.exp_name.empty()) log.info("Experiment: " + folder.path().string());
  if (processes.launch().rank == 0 && std::filesystem::exists(experiment.results.path())) {
    lock_results(experiment, log);
  }
  if (arguments.resume) {
    adopt_saved(arguments, read_json(folder.args()), flags_from_stopped_training(arguments, task),
                task, folder.args());
  } else if (!arguments.test_mode && !arguments.init_from.empty()) {
    experiment.masses = adopt_initial_network(arguments, task, log).masses;
  }
  if (!arguments.test_mode) return experiment;
  const auto network = read_trained_network(task, folder.best_model());
  if (!std::filesystem::exists(folder.args())) {
    log.info(fmt::format("{} is missing: {}", folder.args().string(),
                         network.own.empty() ? "the flags define the network"
                                             : "the checkpoint says what its network computes"));
  }
  const auto names = flags_of_test(arguments);
  adopt_network(arguments, network, names, task);
  if (network.args.contains("datadir") &&
      std::find(names.begin(), names.end(), "datadir") != names.end()) {
    announce_saved_data(arguments, folder, log);
  }
  constexpr std::int64_t kMostScalars = 4096, kMostClasses = 127;
  experiment.network = read_state_dict(folder.best_model());
  experiment.n_scalar = network.number("n_scalar", task.n_scalar, 1, kMostScalars);
  experiment.n_class = network.number("n_class", 2, 2, kMostClasses);
  experiment.masses = network.masses;
  check_size(experiment);
  if (std::filesystem::exists(folder.train_result())) {
    experiment.training = read_json(folder.train_result());
  }
  return experiment;
}

void claim_folder(const Experiment& experiment, const Json& args, Processes& processes,
                  const Log& log) {
  const auto& folder = experiment.folder;
  meet(*processes.communicator());
  if (processes.communicator()->rank() != 0) return;
  folder.create();
  lock_results(experiment, log);
  refuse_existing(experiment);
  processes.write_note(kFolderIsOurs, experiment.arguments.exp_name);
  if (experiment.arguments.overwrite) folder.remove_results();
  folder.remove_partial_files();
  write_json(folder.args(), args);
  processes.write_note(kFolderIsReady, experiment.arguments.exp_name);
}

void claim_results(const Experiment& experiment, const Log& log) {
  experiment.results.create();
  lock_results(experiment, log);
}

}  // namespace lorentznet
