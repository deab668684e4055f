#include "bench/end_to_end.h"

#include <ATen/Parallel.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "bench/runner.h"
#include "bench/statistics.h"
#include "bench/turns.h"
#include "lorentznet/trainer.h"
#include "train/loader.h"

namespace lorentznet::bench {
namespace {

/// A folder for checkpoints that nobody needs.
class ScratchFolder {
 public:
  ScratchFolder() { folder_.create(); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_.path(), ignored);
  }
  const RunFolder& folder() const { return folder_; }

 private:
  RunFolder folder_{std::filesystem::temp_directory_path() /
                    ("lorentznet-bench-" + std::to_string(getpid()))};
};

/// Batches of the first jets of `set`, in file order.
std::vector<Batch> all_batches(const JetSet& set, const Workload& workload,
                               const EndToEndSettings& settings) {
  BatchLoader loader(
      set, workload.task, workload.rule, file_order(set.num_jets()),
      {.batch_size = settings.batch_size, .for_training = settings.mode == Mode::kTraining});
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

/// Number of jets, in whole batches, that a turn of the time allowed takes.
std::int64_t jets_in_turn(const Workload& workload, const EndToEndSettings& settings,
                          Runner& runner) {
  const auto batches = alike_batches(workload, settings.batch_size, 2, settings.mode);
  runner.run(batches[0]);
  const auto seconds = time_of([&] { runner.run(batches[1]); });
  const auto wanted = std::ceil(settings.seconds / settings.rounds / seconds);
  const auto most = workload.train.num_jets() / settings.batch_size;
  if (most < 1) throw std::runtime_error("the data have no batch of this size");
  return settings.batch_size * std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 1, most);
}

double evaluation_seconds(LorentzNet& network, const JetSet& set, const Workload& workload,
                          const EndToEndSettings& settings) {
  const PassOptions options{.partition = "test",
                            .batch_size = settings.batch_size,
                            .num_workers = TrainerOptions{}.num_workers};
  return time_of([&] { evaluate(network, set, workload.task, workload.rule, options, {}); });
}

/// The time that Trainer itself records for its epoch; validation is not part of it.
double epoch_seconds(LorentzNet& network, const JetSet& set, const Workload& workload,
                     const EndToEndSettings& settings) {
  const ScratchFolder scratch;
  const JetSet val = workload.val.slice(0, 1);
  const TrainerOptions options{.epochs = 1,
                               .batch_size = settings.batch_size,
                               .shuffle = false,
                               .learning_rate = [](std::int64_t) { return 1e-3; }};
  Trainer trainer(network, {set, val, workload.task, workload.rule}, options, scratch.folder(),
                  [](const auto&) {});
  trainer.run(std::atomic<bool>(false));
  return trainer.record().train_time.back();
}

}  // namespace

Json measure_end_to_end(const Workload& workload, const EndToEndSettings& settings) {
  at::set_num_threads(settings.contender.threads);
  Runner bare(workload, settings.contender.choice, settings.mode);
  Runner whole(workload, settings.contender.choice, settings.mode);
  const auto jets = jets_in_turn(workload, settings, bare);
  const auto set = workload.train.slice(0, jets);
  std::vector<Batch> batches;
  const auto making = time_of([&] { batches = all_batches(set, workload, settings); });
  std::vector<double> whole_rate, bare_rate;
  for (int round = 0; round < settings.rounds; ++round) {
    const auto with_loader = settings.mode == Mode::kTraining ? epoch_seconds : evaluation_seconds;
    const auto count = static_cast<double>(jets);
    whole_rate.push_back(count / with_loader(whole.network(), set, workload, settings));
    bare_rate.push_back(count / time_of([&] {
                          for (const auto& batch : batches) bare.run(batch);
                        }));
  }
  return {{"jets", jets},
          {"jets_per_s", median(whole_rate)},
          {"bare_jets_per_s", median(bare_rate)},
          {"ratio", spread(quotients(whole_rate, bare_rate))},
          {"make_batch_jets_per_s", static_cast<double>(jets) / making},
          {"rounds", {{"jets_per_s", whole_rate}, {"bare_jets_per_s", bare_rate}}}};
}

}  // namespace lorentznet::bench
