#include "app/session.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/utils.h>
#include <torch/version.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "app/data_folder.h"
#include "app/kernel_choice.h"
#include "app/memory.h"
#include "app/network_shape.h"
#include "app/pooling_choice.h"
#include "app/recorder.h"
#include "app/report_command.h"
#include "app/setup.h"
#include "app/stop_signal.h"
#include "app/test_run.h"
#include "console/console.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "lorentznet/trainer.h"
#include "parallel/collectives.h"
#include "report/result_files.h"

namespace lorentznet {
namespace {

/// One run of a program: what its steps share.
class Session {
 public:
  Session(const Task& task, Arguments arguments, Processes& processes)
      : task_(task),
        arguments_(std::move(arguments)),
        processes_(processes),
        device_(choose_device(arguments_.device, local_rank())) {
    processes_.use(device_);
    if (leads()) print_.write = print;
    if (live_) set_least_level(Level::kInfo);
    if (arguments_.quiet) set_least_level(Level::kResult);
    if (arguments_.verbose) set_least_level(Level::kDetail);
    print_.detail(describe_program());
    if (arguments_.report && leads()) check_report_can_be_made();
    if (ranks().size() > 1) {
      print_.info(fmt::format("Processes: {} ({})", ranks().size(), processes_.launch().launcher));
    }
    agree_on_experiment(arguments_, processes_);
    folder_ = RunFolder(arguments_.folder());
  }

  int train() {
    adopt_experiment(arguments_, task_, folder_);
    kernel_ = choose_kernel(arguments_, device_);
    const auto data = read();
    task_ = task_for(task_, arguments_, data.train);
    n_class_ = std::max<std::int64_t>(data.train.num_classes(), 2);
    for (const auto* jets : {&data.train, &data.val, &data.test}) {
      check_jets(task_, *jets, n_class_);
    }
    rule_ = training_rule(arguments_, task_, data);
    announce(data);
    torch::manual_seed(static_cast<std::uint64_t>(arguments_.seed));
    make_model();
    // Dropout: rank 0's numbers follow those of the initialisation, as in a single process.
    const auto seed = static_cast<std::uint64_t>(arguments_.seed + ranks().rank());
    if (!leads()) torch::manual_seed(seed);
    const bool goes_on = arguments_.resume && std::filesystem::exists(folder_.training_state());
    if (!arguments_.init_from.empty() && !goes_on) load(arguments_.init_from);
    const int stopped = run_training(data);
    if (stopped != 0) return stopped;
    if (leads()) load(folder_.best_model());
    broadcast_module(ranks(), *model_);
    test(data.test);
    return 0;
  }

  int test_only() {
    adopt_trained_network(arguments_, task_, folder_, print_);
    kernel_ = choose_kernel(arguments_, device_);
    const auto state = read_state_dict(folder_.best_model());
    check_network(arguments_, state, folder_.best_model(), folder_.args());
    const auto shape = saved_shape(task_, folder_);
    n_class_ = shape.n_class;
    task_ = task_for_network(task_, arguments_, shape.n_scalar, folder_.args());
    rule_ = testing_rule(arguments_, task_);
    make_model();
    load_model_state(*model_, state, folder_.best_model());
    const auto data = read();
    check_jets(task_, data.test, n_class_);
    announce(data);
    test(data.test);
    return 0;
  }

 private:
  std::string describe_program() const {
    return fmt::format("{}_tagging {}, LibTorch {}, {} threads on {}", task_.name,
                       LORENTZNET_VERSION, TORCH_VERSION, at::get_num_threads(), device_.str());
  }
  Observer* observer() { return leads() ? &recorder_ : nullptr; }
  const Communicator& ranks() const { return *processes_.communicator(); }
  bool leads() const { return ranks().rank() == 0; }
  std::int64_t local_rank() const {
    return processes_.launch().local_rank.value_or(arguments_.local_rank);
  }

  DataSplits read() const {
    auto data = read_data(task_, arguments_, ranks(), print_);
    keep_freed_memory();
    return data;
  }

  void announce(const DataSplits& data) const {
    for (const auto& jet : data.skipped) print_.info("Skipped: " + jet);
    if (!data.skipped.empty()) print_.info(fmt::format("Skipped jets: {}", data.skipped.size()));
    if (n_class_ > 2) print_.info(fmt::format("Classes: {}", n_class_));
    print_.info(rule_.announcement);
    if (!arguments_.test_mode) {
      print_.info(fmt::format(" train samples: {}", data.train.num_jets()));
      print_.info(fmt::format(" {} samples: {}", task_.validation_name, data.val.num_jets()));
    }
    print_.info(fmt::format(" test samples: {}", data.test.num_jets()));
  }

  void make_model() {
    model_ = LorentzNet(network_options(arguments_, task_, n_class_));
    model_->to(device_);
    print_.info(fmt::format("Network Size: {}", model_->num_parameters()));
    print_.info(use_kernel(*model_, kernel_));
  }

  void load(const std::filesystem::path& file) {
    load_model_state(*model_, read_state_dict(file), file);
  }

  /// After all input has been found to be good: until then nothing that was there is touched.
  void prepare_folder() {
    meet(ranks());
    if (!leads()) return;
    note_folder_is_ours(arguments_, processes_);
    if (arguments_.overwrite) folder_.remove_results();
    folder_.create();
    folder_.remove_partial_files();
    auto args = to_json(arguments_, task_);
    args["n_scalar"] = task_.n_scalar;
    args["n_class"] = n_class_;
    write_json(folder_.args(), args);
    log_to(folder_.log());
    note_folder_is_ready(arguments_, processes_);
  }

  int run_training(const DataSplits& data) {
    const WarmupCosineSchedule schedule(arguments_.lr, arguments_.warmup_epochs);
    auto options = trainer_options(arguments_, schedule);
    options.ranks = processes_.communicator();
    options.observer = observer();
    Trainer trainer(model_, {data.train, data.val, task_, rule_.rule}, options, folder_, print_);
    bool resumed = false;
    if (arguments_.resume) {
      resumed = trainer.resume();
      print_.info(resumed ? "Going on from " + folder_.training_state().string()
                          : "No state was saved yet: starting at the first epoch");
    }
    prepare_folder();
    if (leads()) {
      recorder_.record_to(folder_.path(),
                          resumed ? std::optional(trainer.steps_done()) : std::nullopt);
    }
    const StopSignal signal;
    const auto outcome = trainer.run(signal.requested());
    if (!trainer.record().epochs.empty()) print_.info(epoch_table(trainer.record()));
    if (outcome == Trainer::Outcome::kFinished) return 0;
    // Another rank may have received it: launchers stop theirs with SIGTERM.
    const int number = signal.requested() ? signal.number() : SIGTERM;
    print_.info(fmt::format("Stopped by signal {}; --exp_name {} --resume goes on from here",
                            number, arguments_.exp_name));
    return 128 + number;
  }

  void test(const JetSet& jets) {
    // A folder that can't be written is found before the work, not after it.
    if (leads()) {
      folder_.create();
      log_to(folder_.log());
    }
    run_test({.model = model_,
              .task = task_,
              .rule = rule_.rule,
              .ranks = processes_.communicator(),
              .observer = observer(),
              .print = print_},
             jets, arguments_, folder_);
  }

  Task task_;
  std::int64_t n_class_ = 2;
  Arguments arguments_;
  Processes& processes_;
  Log print_;
  bool live_ = on_terminal() && !arguments_.quiet;
  Recorder recorder_{live_};
  at::Device device_;
  RunFolder folder_{""};
  KernelChoice kernel_;
  AnnouncedRule rule_;
  LorentzNet model_{nullptr};
};

}  // namespace

int run_session(const Task& task, Arguments arguments, Processes& processes) {
  const bool test_mode = arguments.test_mode;
  Session session(task, std::move(arguments), processes);
  return test_mode ? session.test_only() : session.train();
}

}  // namespace lorentznet
