#include "app/setup.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>

#include "app/flags.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Flags that a resumed training may change: the bits do not depend on them, or, for epochs, only
/// later ones do. The state itself knows whether the jets are the same.
const std::vector<std::string> kFreeOnResume = {"exp_name",    "test_mode", "log_interval",
                                                "num_workers", "datadir",   "logdir",
                                                "local_rank",  "epochs",    "init_from"};

/// Notes that outlast a restart; each holds the experiment's name.
constexpr const char* kOurs = "folder-is-ours";
constexpr const char* kReady = "folder-is-ready";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

AnnouncedRule constant_rule(std::int64_t n_nodes, const std::string& why) {
  return {.rule = {.pooling = Pooling::kConstant, .n_nodes = n_nodes},
          .announcement = fmt::format("n_nodes: {} ({})", n_nodes, why)};
}

AnnouncedRule batch_rule() {
  return {.rule = {.pooling = Pooling::kBatch},
          .announcement = "n_nodes: of the batch (scores depend on --batch_size)"};
}

AnnouncedRule jet_rule() {
  return {.rule = {.pooling = Pooling::kJet}, .announcement = "n_nodes: of the jet"};
}

std::string pooling_of(const Arguments& arguments, const Task& task) {
  if (arguments.n_nodes > 0) return "constant";
  if (!arguments.pooling.empty()) return arguments.pooling;
  return task.pools_over_batch ? "batch" : "constant";
}

/// Nodes of the widest jet.
std::int64_t widest_jet(const Task& task, const DataSplits& data) {
  std::int64_t widest = 0;
  for (const auto* set : {&data.train, &data.val, &data.test}) {
    for (std::int64_t jet = 0; jet < set->num_jets(); ++jet) {
      widest = std::max(widest, num_nodes(*set, jet, task));
    }
  }
  return widest;
}

}  // namespace

at::Device choose_device(const std::string& name, std::int64_t local_rank) {
  if (name.empty()) return at::hasCUDA() ? choose_device("cuda", local_rank) : at::Device(at::kCPU);
  if (name == "cpu") return at::Device(at::kCPU);
  if (name != "cuda" && !name.starts_with("cuda:")) {
    throw InputError("--device: '" + name + "' is none of cpu, cuda, cuda:K");
  }
  if (!at::hasCUDA()) {
    throw InputError("--device " + name +
                     ": this build is for CPUs, or no GPU is there (see LORENTZNET_CUDA)");
  }
  const auto gpus = at::detail::getCUDAHooks().deviceCount();
  // A launcher may show each process its own GPU only.
  const auto own = gpus == 1 ? "0" : std::to_string(local_rank);
  const auto index = name == "cuda" ? own : name.substr(5);
  for (int gpu = 0; gpu < gpus; ++gpu) {
    if (index == std::to_string(gpu)) return {at::kCUDA, static_cast<at::DeviceIndex>(gpu)};
  }
  throw InputError(
      fmt::format("--device {}: GPU {} is asked for, there are {}", name, index, gpus));
}

void agree_on_experiment(Arguments& arguments, Processes& processes) {
  if (processes.launch().restarts > 0 && !arguments.test_mode) {
    if (const auto ready = processes.read_note(kReady)) {
      arguments.exp_name = *ready;
      arguments.resume = true;
      arguments.overwrite = false;
    } else if (const auto ours = processes.read_note(kOurs)) {
      // Killed before it had begun: what is there was to be replaced, or had been found to be none.
      arguments.exp_name = *ours;
      arguments.overwrite = !arguments.resume;
    }
  }
  if (!arguments.exp_name.empty()) return;
  arguments.exp_name = random_name();
  const std::vector<std::int64_t> letters(arguments.exp_name.begin(), arguments.exp_name.end());
  const auto shared = at::tensor(letters, at::kLong);
  processes.communicator()->broadcast(shared);
  const auto* const data = shared.const_data_ptr<std::int64_t>();
  arguments.exp_name.assign(data, data + shared.numel());
}

void note_folder_is_ours(const Arguments& arguments, Processes& processes) {
  processes.write_note(kOurs, arguments.exp_name);
}

void note_folder_is_ready(const Arguments& arguments, Processes& processes) {
  processes.write_note(kReady, arguments.exp_name);
}

void check_network(const Arguments& arguments, const StateDict& state,
                   const std::filesystem::path& file, const std::filesystem::path& args_file) {
  std::int64_t layers = 0, hidden = 0;
  for (const auto& [name, tensor] : state) {
    if (name == "embedding.bias") hidden = tensor.numel();
    if (name.ends_with(".phi_m.0.bias")) ++layers;
  }
  // What is smaller, or no state of such a network at all, is told tensor by tensor on loading.
  if (layers == 0 || hidden == 0) return;
  if (arguments.n_hidden <= hidden && arguments.n_layers <= layers) return;
  throw InputError(fmt::format(
      "{}: is of n_layers {} and n_hidden {}; {} or the flags say {} and {}", file.string(), layers,
      hidden, args_file.string(), arguments.n_layers, arguments.n_hidden));
}

void adopt_experiment(Arguments& arguments, const Task& task, const RunFolder& folder) {
  if (!arguments.resume) {
    if (!arguments.overwrite && folder.has_files()) {
      throw InputError(folder.path().string() +
                       ": this experiment exists (--resume goes on, --overwrite replaces it)");
    }
    return;
  }
  if (!std::filesystem::exists(folder.args())) {
    throw InputError(folder.args().string() + ": not there, so there is nothing to resume");
  }
  const auto saved = read_json(folder.args());
  std::vector<std::string> fixed, free;
  for (const auto& flag : flags_of(task)) {
    if (!contains(kFreeOnResume, flag.name)) {
      fixed.push_back(flag.name);
    } else if (!arguments.given.contains(flag.name)) {
      free.push_back(flag.name);
    }
  }
  adopt_saved(arguments, saved, fixed, task, folder.args());
  adopt_saved(arguments, saved, free, task, folder.args());
}

void adopt_trained_network(Arguments& arguments, const Task& task, const RunFolder& folder,
                           const Log& log) {
  if (!std::filesystem::exists(folder.path())) {
    throw InputError(folder.path().string() + ": there is no such experiment");
  }
  if (!std::filesystem::exists(folder.args())) {
    log(folder.args().string() + " is missing: the network's shape is that of the flags");
    return;
  }
  const auto saved = read_json(folder.args());
  adopt_saved(arguments, saved, {"n_hidden", "n_layers", "c_weight", "coordinates", "no_beams"},
              task, folder.args());
  // --n_nodes or --pooling on the command line decides before args.json.
  if (arguments.given.contains("n_nodes")) return;
  if (!arguments.given.contains("pooling")) {
    adopt_saved(arguments, saved, {"n_nodes", "pooling"}, task, folder.args());
  } else if (arguments.pooling == "constant") {
    adopt_saved(arguments, saved, {"n_nodes"}, task, folder.args());
  }
}

AnnouncedRule training_rule(Arguments& arguments, const Task& task, const DataSplits& data) {
  const auto given = arguments.n_nodes;
  arguments.pooling = pooling_of(arguments, task);
  if (arguments.pooling == "batch") return batch_rule();
  if (arguments.pooling == "jet") return jet_rule();
  if (given == 0) {
    arguments.n_nodes = widest_jet(task, data);
    return constant_rule(arguments.n_nodes, "the widest jet of the data");
  }
  for (std::int64_t jet = 0; jet < data.train.num_jets(); ++jet) {
    check_fits(data.train, jet, task, given);
  }
  return constant_rule(given, "by --n_nodes or args.json");
}

AnnouncedRule testing_rule(const Arguments& arguments, const Task& task) {
  const auto pooling = pooling_of(arguments, task);
  if (pooling == "batch") return batch_rule();
  if (pooling == "jet") return jet_rule();
  if (arguments.n_nodes > 0) {
    return constant_rule(arguments.n_nodes, arguments.given.contains("n_nodes")
                                                ? "by --n_nodes"
                                                : "of the experiment's args.json");
  }
  if (task.published_n_nodes == 0) throw InputError("--pooling constant needs --n_nodes");
  return constant_rule(task.published_n_nodes, "the published checkpoint's");
}

DataShape saved_shape(const Task& task, const RunFolder& folder) {
  DataShape shape{.n_scalar = task.n_scalar, .n_class = 2};
  if (!std::filesystem::exists(folder.args())) return shape;
  const auto saved = read_json(folder.args());
  const auto take = [&](const char* name, std::int64_t least, std::int64_t most,
                        std::int64_t& value) {
    if (!saved.contains(name)) return;
    const auto& number = saved.at(name);
    if (number.is_number_integer()) value = number.get<std::int64_t>();
    if (number.is_number_integer() && value >= least && value <= most) return;
    throw InputError(fmt::format("{}: {} is {}, not a number from {} to {}", folder.args().string(),
                                 name, number.dump(), least, most));
  };
  constexpr std::int64_t most_scalars = 4096, most_classes = 127;
  take("n_scalar", 1, most_scalars, shape.n_scalar);
  take("n_class", 2, most_classes, shape.n_class);
  return shape;
}

Task task_for(const Task& task, const Arguments& arguments, const JetSet& jets) {
  if (task.name != "top") return task;
  return top_tagging_of(jets.num_scalars(), !arguments.no_beams);
}

Task task_for_network(const Task& task, const Arguments& arguments, std::int64_t n_scalar,
                      const std::filesystem::path& file) {
  if (task.name == "top") {
    const auto own = n_scalar - (arguments.no_beams ? 0 : 1);
    if (own >= 1) return top_tagging_of(own, !arguments.no_beams);
  }
  if (n_scalar == task.n_scalar) return task;
  throw InputError(fmt::format("{}: takes {} scalars of a node, {}_tagging has {}{}", file.string(),
                               n_scalar, task.name, task.n_scalar,
                               task.name == "top" ? " (1 with --no_beams)" : ""));
}

void check_jets(const Task& task, const JetSet& jets, std::int64_t n_class) {
  const auto file = jets.sources.empty() ? "" : jets.sources.front().file + ": ";
  if (task.name == "top") {
    const bool beams = !task.beam_scalars.empty();
    const auto own = std::max<std::int64_t>(jets.num_scalars(), 1);
    const auto taken = task.n_scalar - (beams ? 1 : 0);
    if (own != taken) {
      throw InputError(fmt::format("{}{} scalars a particle{}, the network takes {} ({} beams)",
                                   file, own, jets.num_scalars() == 0 ? " (its mass)" : "", taken,
                                   beams ? "with" : "without"));
    }
  }
  if (jets.num_classes() > n_class) {
    throw InputError(fmt::format("{}jets of class {}, the network has classes 0 to {}", file,
                                 jets.num_classes() - 1, n_class - 1));
  }
}

LorentzNetOptions network_options(const Arguments& arguments, const Task& task,
                                  std::int64_t n_class) {
  return {.n_scalar = task.n_scalar,
          .n_hidden = arguments.n_hidden,
          .n_class = n_class,
          .n_layers = arguments.n_layers,
          .c_weight = arguments.c_weight,
          .dropout = arguments.dropout,
          .coordinates =
              arguments.coordinates == "float" ? Coordinates::kNetwork : Coordinates::kDouble};
}

TrainerOptions trainer_options(const Arguments& arguments, const WarmupCosineSchedule& schedule) {
  return {
      .epochs = arguments.epochs,
      .batch_size = arguments.batch_size,
      .val_interval = arguments.val_interval,
      .log_interval = arguments.log_interval,
      .num_workers = arguments.num_workers,
      .seed = static_cast<std::uint64_t>(arguments.seed),
      .weight_decay = arguments.weight_decay,
      .learning_rate = [schedule](std::int64_t epoch) { return schedule.learning_rate(epoch); }};
}

}  // namespace lorentznet
