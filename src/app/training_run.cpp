#include <fmt/format.h>
#include <torch/utils.h>

#include <array>
#include <atomic>
#include <csignal>

#include "app/run.h"
#include "app/trained_network.h"
#include "console/console.h"
#include "io/file.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "lorentznet/trainer.h"
#include "model/model_state.h"
#include "parallel/collectives.h"
#include "report/result_files.h"

namespace lorentznet {
namespace {

// A signal handler may only use lock-free variables of static storage.
std::atomic<bool> stop_requested = false;
std::atomic<int> stop_signal = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

/// A second SIGINT or SIGTERM ends the program. Not so SIGHUP, which a terminal that is closed may
/// send twice, from the shell and from the system, nor SIGUSR1, a batch system's warning.
extern "C" void request_stop(int number) {
  stop_requested = true;
  stop_signal = number;
  if (number == SIGINT || number == SIGTERM) std::signal(number, SIG_DFL);
}

/// While it lives, SIGINT, SIGTERM, SIGHUP and SIGUSR1 request a stop instead of ending the
/// program.
class StopSignals {
 public:
  StopSignals() {
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, request_stop);
    for (const int number : {SIGHUP, SIGUSR1}) handle(number, request_stop);
  }
  ~StopSignals() {
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, SIG_DFL);
    if (stop_requested) return;  // the others may come again while the program ends
    for (const int number : {SIGHUP, SIGUSR1}) handle(number, SIG_DFL);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  /// What nohup ignores stays ignored.
  static void handle(int number, void (*handler)(int)) {
    if (std::signal(number, handler) == SIG_IGN) std::signal(number, SIG_IGN);
  }
};

Trainer::Outcome run_until_stopped(Trainer& trainer) {
  const StopSignals signals;
  return trainer.run(stop_requested);
}

TrainerOptions trainer_options(const Run& run) {
  const auto& arguments = run.experiment.arguments;
  const WarmupCosineSchedule schedule(arguments.lr, arguments.warmup_epochs);
  return {.epochs = arguments.epochs,
          .batch_size = arguments.batch_size,
          .val_interval = arguments.val_interval,
          .log_interval = arguments.log_interval,
          .num_workers = arguments.num_workers,
          .seed = static_cast<std::uint64_t>(arguments.seed),
          .weight_decay = arguments.weight_decay,
          .learning_rate = [schedule](std::int64_t epoch) { return schedule.learning_rate(epoch); },
          .ranks = run.processes.communicator(),
          .observer = run.output.recorder.get()};
}

void load(LorentzNet& network, const std::filesystem::path& file) {
  load_model_state(*network, read_state_dict(file), file);
}

/// The state of the random generators and, with --init_from, of the network before the first step.
void prepare_first_step(const Run& run, LorentzNet& network) {
  const auto& arguments = run.experiment.arguments;
  const auto& folder = run.experiment.folder;
  // The numbers of dropout: rank 0's follow those of the initialisation, as in a single process.
  if (!run.leads()) {
    torch::manual_seed(static_cast<std::uint64_t>(arguments.seed) +
                       static_cast<std::uint64_t>(run.ranks().rank()));
  }
  const bool resumes = arguments.resume && std::filesystem::exists(folder.training_state());
  if (!arguments.init_from.empty() && !resumes) {
    start_from(*network, arguments.init_from, run.output.log);
  }
}

/// args.json: the flags, and what the data decided.
Json describe_training(const Run& run) {
  auto arguments = run.experiment.arguments;
  arguments.pooling = run.plan.rule.pooling;
  arguments.n_nodes = run.plan.rule.n_nodes;
  auto json = to_json(arguments, run.plan.task);
  json["n_scalar"] = run.plan.network.n_scalar;
  json["n_class"] = run.plan.network.n_class;
  return json;
}

/// Checks the network of the best epoch so far, which is tested after the training:
/// best-val-model.pt or, if that is missing, the checkpoint that it is a copy of.
/// \return that checkpoint if best-val-model.pt is missing
/// \throws InputError if neither can be used
std::optional<std::filesystem::path> check_best_model(const RunFolder& folder,
                                                      const TrainingRecord& record,
                                                      LorentzNet& network) {
  if (record.epochs.empty()) return std::nullopt;
  const auto checkpoint = folder.checkpoint(record.best_epoch);
  const bool is_there = std::filesystem::exists(folder.best_model());
  if (!is_there && !std::filesystem::exists(checkpoint)) {
    throw InputError(
        fmt::format("{} is missing, and so is {}, which it was a copy of: this "
                    "training can't be continued (--overwrite starts it anew)",
                    folder.best_model().string(), checkpoint.filename().string()));
  }
  const auto file = is_there ? folder.best_model() : checkpoint;
  check_model_state(*network, read_state_dict(file), file);
  return is_there ? std::nullopt : std::optional(checkpoint);
}

/// Of train-provenance.json. A resumed training no longer needs the file of --init_from.
Json describe_training_run(const Run& run, bool is_new) {
  const auto& arguments = run.experiment.arguments;
  auto description = run.description;
  if (is_new && !arguments.init_from.empty()) {
    description["init_from"] = describe_checkpoint(arguments.init_from);
  }
  return description;
}

/// Continues from the saved state, if it is to, and makes the folder this training's.
void begin(const Run& run, Trainer& trainer, LorentzNet& network) {
  const auto& folder = run.experiment.folder;
  const auto& log = run.output.log;
  std::optional<std::int64_t> resumed_at;
  std::optional<std::filesystem::path> best;
  if (run.experiment.arguments.resume) {
    if (trainer.resume()) resumed_at = trainer.steps_done();
    if (run.leads()) best = check_best_model(folder, trainer.record(), network);
    log.info(resumed_at ? "Continuing from " + folder.training_state().string()
                        : "No state was saved yet: starting at the first epoch");
  }
  claim_folder(run.experiment, describe_training(run), run.processes, run.output.log);
  if (!run.leads()) return;
  log_to(folder.log());
  if (best) {
    write_file_whole(folder.best_model(), read_file(*best, std::filesystem::file_size(*best)));
    log.info(fmt::format("{} was missing: restored from {}", folder.best_model().string(),
                         best->filename().string()));
  }
  record_training(folder.train_provenance(), describe_training_run(run, !resumed_at), !resumed_at,
                  log);
  run.output.recorder->record_to(folder.path(), resumed_at);
}

/// What a command that continues the training does not say.
std::string launched(const Launch& launch) {
  if (launch.size == 1) return "";
  return fmt::format(", started {} times by {} as before", launch.size, launch.launcher);
}

}  // namespace

TrainingEnd run_training(const Run& run, LorentzNet& network) {
  const auto& arguments = run.experiment.arguments;
  const auto& folder = run.experiment.folder;
  const auto& log = run.output.log;
  prepare_first_step(run, network);
  Trainer trainer(network, {run.data.train, run.data.val, run.plan.task, run.plan.rule},
                  trainer_options(run), folder, log);
  begin(run, trainer, network);
  const auto outcome = run_until_stopped(trainer);
  if (!trainer.record().epochs.empty()) log.info(epoch_table(trainer.record()));
  if (outcome == Trainer::Outcome::kStopped) {
    // Another rank may have received the signal; launchers stop theirs with SIGTERM.
    const int number = stop_requested ? stop_signal.load() : SIGTERM;
    log.info(fmt::format("Stopped by signal {}; to continue from here{}: {}", number,
                         launched(run.processes.launch()),
                         resume_command(arguments, run.plan.task)));
    return {.signal = number, .record = {}};
  }
  if (run.leads()) load(network, folder.best_model());
  broadcast_module(run.ranks(), *network);
  return {.signal = 0, .record = to_json(trainer.record())};
}

}  // namespace lorentznet
