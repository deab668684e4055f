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
    log.info(folder.args().string() + " is missing: the network's shape is that of the flags");
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
