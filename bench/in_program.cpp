#include <ATen/Parallel.h>
#include <ATen/ops/softmax.h>
#include <torch/utils.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "bench/measure.h"
#include "bench/timing.h"
#include "lorentznet/trainer.h"
#include "train/loader.h"

namespace lorentznet::bench {
namespace {

/// A folder for checkpoints that is removed at the end.
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

/// Number of jets, in whole batches, for a turn of about the time allowed.
std::int64_t jets_in_turn(const Workload& workload, const EndToEndSettings& settings,
                          Runner& runner) {
  const auto batches = alike_batches(workload, settings.batch_size, 2, settings.mode);
  runner.run(batches[0]);
  const auto seconds = time_of([&] { runner.run(batches[1]); });
  const auto wanted = std::ceil(settings.seconds / settings.rounds / seconds);
  const auto most = workload.train.num_jets() / settings.batch_size;
  if (most < 1) throw std::runtime_error("the data have fewer jets than a batch");
  return settings.batch_size * std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 1, most);
}

double evaluation_seconds(LorentzNet& network, const JetSet& set, const Workload& workload,
                          const EndToEndSettings& settings) {
  const PassOptions options{.partition = "test",
                            .batch_size = settings.batch_size,
                            .num_workers = TrainerOptions{}.num_workers};
  return time_of([&] { evaluate(network, set, workload.task, workload.rule, options, {}); });
}

/// The time that Trainer records for its epoch, which excludes validation.
double epoch_seconds(LorentzNet& network, const JetSet& set, const Workload& workload,
                     const EndToEndSettings& settings) {
  const ScratchFolder scratch;
  const JetSet val = workload.val.slice(0, 1);
  const TrainerOptions options{.epochs = 1,
                               .batch_size = settings.batch_size,
                               .shuffle = false,
                               .learning_rate = [](std::int64_t) { return 1e-3; }};
  Trainer trainer(network, {set, val, workload.task, workload.rule}, options, scratch.folder(), {});
  trainer.run(std::atomic<bool>(false));
  return trainer.record().train_time.back();
}

constexpr std::int64_t kCallsInTurn = 25;

/// What an embedding program does with a jet. \return the probability of signal
double score(LorentzNet& network, const JetSet& jet, const Workload& workload) {
  const torch::NoGradGuard no_grad;
  constexpr std::array<std::int64_t, 1> kOnly{0};
  const auto batch = make_batch(jet, kOnly, workload.task, workload.rule, /*for_training=*/false);
  return at::softmax(network->forward(batch), 1).select(1, 1).item<double>();
}

struct LatencyEntry {
  Kernel kernel;
  std::string error;
  LorentzNet network{nullptr};
  std::vector<double> milliseconds;
};

std::vector<LatencyEntry> make_latency_entries(const Workload& workload,
                                               const LatencySettings& settings) {
  std::vector<LatencyEntry> entries;
  for (const auto& kernel : settings.kernels) {
    LatencyEntry entry;
    entry.kernel = kernel;
    entry.error = reason_against(workload, kernel, Mode::kInference);
    if (entry.error.empty()) {
      entry.network = make_network(workload, kernel);
      entry.network->eval();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Json report(const Workload& workload, const LatencySettings& settings, const LatencyEntry& entry) {
  Json row{{"task", workload.task.name}, {"nodes", settings.nodes}};
  row.update(to_json(entry.kernel));
  row["threads"] = 1;
  if (!entry.error.empty()) {
    row["error"] = entry.error;
    return row;
  }
  row["calls"] = entry.milliseconds.size();
  row["median_ms"] = median(entry.milliseconds);
  row["p99_ms"] = quantile(entry.milliseconds, 0.99);
  return row;
}

}  // namespace

Json measure_end_to_end(const Workload& workload, const EndToEndSettings& settings) {
  at::set_num_threads(settings.contender.threads);
  Runner bare(workload, settings.contender.kernel, settings.mode);
  Runner whole(workload, settings.contender.kernel, settings.mode);
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

Json measure_latency(const Workload& workload, const LatencySettings& settings) {
  at::set_num_threads(1);
  auto entries = make_latency_entries(workload, settings);
  const auto jet = jet_of_nodes(workload, settings.nodes);
  for (std::int64_t done = 0; done < settings.calls; done += kCallsInTurn) {
    for (auto& entry : entries) {
      if (!entry.error.empty()) continue;
      score(entry.network, jet, workload);  // refills the caches
      for (std::int64_t call = 0; call < std::min(kCallsInTurn, settings.calls - done); ++call) {
        entry.milliseconds.push_back(1e3 * time_of([&] { score(entry.network, jet, workload); }));
      }
    }
  }
  Json rows = Json::array();
  for (const auto& entry : entries) rows.push_back(report(workload, settings, entry));
  return rows;
}

}  // namespace lorentznet::bench
