#include "app/run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <algorithm>

#include "app/gpu_check.h"
#include "app/run_data.h"
#include "data/masses.h"
#include "lorentznet/checkpoint.h"

namespace lorentznet {
namespace {

at::Device use_device(const Arguments& arguments, Processes& processes) {
  const auto local_rank = processes.launch().local_rank.value_or(arguments.local_rank);
  const auto device = choose_device(arguments.device, local_rank);
  processes.use(device);
  return device;
}

void announce_program(const Task& task, const Arguments& given, const at::Device& device,
                      const Launch& launch, const Log& log) {
  log.detail(fmt::format("{}, LibTorch {}, {} threads on {}", describe_program(task), TORCH_VERSION,
                         at::get_num_threads(), device.str()));
  log.detail("Command: " + shell_line(given.command));
  if (launch.size > 1) log.info(fmt::format("Processes: {} ({})", launch.size, launch.launcher));
}

/// "Files of test: a.h5 (600 jets), b.h5 (400 jets) in data/top"; whole paths if they are in
/// several folders.
void announce_files(const std::string& split, const JetSet& jets, const Log& log) {
  const auto files = jets.files();
  if (files.empty()) return;
  const auto folder_of = [](const auto& file) {
    return std::filesystem::path(file.first).parent_path();
  };
  const auto folder = folder_of(files.front());
  const bool is_common = std::all_of(files.begin(), files.end(),
                                     [&](const auto& file) { return folder_of(file) == folder; });
  std::string names;
  for (const auto& [file, count] : files) {
    const std::filesystem::path path(file);
    names += fmt::format("{}{} ({} jets)", names.empty() ? "" : ", ",
                         (is_common ? path.filename() : path).string(), count);
  }
  if (is_common && !folder.empty()) names += " in " + folder.string();
  log.info(fmt::format("Files of {}: {}", split, names));
}

void announce_data(const Run& run) {
  const auto& [train, val, test, skipped, test_weight, files] = run.data;
  const auto& log = run.output.log;
  for (const auto& jet : skipped) log.info("Skipped: " + jet);
  if (!skipped.empty()) log.info(fmt::format("Skipped jets: {}", skipped.size()));
  if (run.leads()) log_files(run.description.at("data"), log);
  if (run.plan.network.n_class > 2) log.info(fmt::format("Classes: {}", run.plan.network.n_class));
  log.info(run.plan.pooling_line);
  if (!run.experiment.arguments.test_mode) {
    announce_files("train", train, log);
    announce_files(run.plan.task.validation_name, val, log);
  }
  announce_files("test", test, log);
  if (!run.experiment.arguments.test_mode) {
    log.info(fmt::format(" train samples: {}", train.num_jets()));
    log.info(fmt::format(" {} samples: {}", run.plan.task.validation_name, val.num_jets()));
  }
  log.info(fmt::format(" test samples: {}", test.num_jets()));
}

/// Warns if the jets' masses are unlike those that the network was trained on. In a training these
/// are those of its own jets, or with --init_from of the jets before.
void check_masses(const Run& run) {
  const auto& experiment = run.experiment;
  const bool trains = !experiment.arguments.test_mode;
  const bool starts_anew = trains && !experiment.masses;
  const auto trained = starts_anew ? mass_quartiles(run.data.train) : experiment.masses;
  const auto& jets = trains && !starts_anew ? run.data.train : run.data.test;
  const auto found = mass_quartiles(jets);
  if (!trained || !found || !masses_differ(*found, *trained)) return;
  run.output.log.info(fmt::format(
      "Warning: the masses of the constituents in {} are unlike those of the jets that "
      "the network was trained on: half have m/E above {:.1g}, there half have m/E from "
      "{:.1g} to {:.1g} (see docs/data-files.md)",
      jets.sources.empty() ? "the jets" : jets.sources.front().file, found->median, trained->lower,
      trained->upper));
}

/// With random weights of the run's seed, or in test mode those of the checkpoint.
LorentzNet make_network(const Run& run, const ChosenKernel& chosen, const at::Device& device) {
  const auto& [experiment, data, plan, processes, output, description] = run;
  torch::manual_seed(static_cast<std::uint64_t>(experiment.arguments.seed));
  LorentzNet network(plan.network);
  network->to(device);
  output.log.info(fmt::format("Network Size: {}", network->num_parameters()));
  if (experiment.arguments.test_mode) {
    load_model_state(*network, experiment.network, experiment.folder.best_model());
  }
  const auto kernel =
      check_gpu_kernel(*network, chosen, experiment.arguments, run.ranks(), output.log);
  output.log.info(use_kernel(*network, kernel));
  return network;
}

}  // namespace

int run(const Task& task, const Arguments& given, Processes& processes) {
  const auto output = open_output(given, processes.launch().rank);
  const auto device = use_device(given, processes);
  announce_program(task, given, device, processes.launch(), output.log);
  if (given.report && processes.launch().rank == 0) check_report_script();
  fetch_published_network(task, given, *processes.communicator(), output.log);
  const auto experiment = open_experiment(task, given, processes, output.log);
  const auto& arguments = experiment.arguments;
  if (arguments.test_mode) check_checkpoint(task, experiment);
  const auto kernel = choose_kernel(arguments, device);
  const auto data = read_data(task, arguments, *processes.communicator(), output.log);
  keep_freed_memory();
  const auto plan = make_plan(task, experiment, data);
  const auto description = describe_run(task, arguments, data);
  const Run run{experiment, data, plan, processes, output, description};
  announce_data(run);
  check_masses(run);
  auto network = make_network(run, kernel, device);
  if (arguments.test_mode) {
    run_test(run, network, experiment.training);
    return 0;
  }
  const auto end = run_training(run, network);
  if (end.signal != 0) return 128 + end.signal;
  run_test(run, network, end.record);
  return 0;
}

}  // namespace lorentznet
