#include "bench/latency.h"

#include <ATen/Parallel.h>
#include <ATen/ops/softmax.h>
#include <torch/utils.h>

#include <array>

#include "bench/runner.h"
#include "bench/statistics.h"
#include "bench/turns.h"

namespace lorentznet::bench {
namespace {

constexpr std::int64_t kCallsInTurn = 25;

/// What an embedding program does with a jet. Probability of signal.
double score(LorentzNet& network, const JetSet& jet, const Workload& workload) {
  const torch::NoGradGuard no_grad;
  constexpr std::array<std::int64_t, 1> only{0};
  const auto batch = make_batch(jet, only, workload.task, workload.rule, /*for_training=*/false);
  return at::softmax(network->forward(batch), 1).select(1, 1).item<double>();
}

struct LatencyEntry {
  KernelChoice choice;
  std::string error;
  LorentzNet network{nullptr};
  std::vector<double> milliseconds;
};

std::vector<LatencyEntry> make_latency_entries(const Workload& workload,
                                               const LatencySettings& settings) {
  std::vector<LatencyEntry> entries;
  for (const auto& choice : settings.kernels) {
    LatencyEntry entry;
    entry.choice = choice;
    entry.error = reason_against(workload, choice, Mode::kInference);
    if (entry.error.empty()) {
      entry.network = make_network(workload, choice);
      entry.network->eval();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Json report(const Workload& workload, const LatencySettings& settings, const LatencyEntry& entry) {
  Json row{{"task", workload.task.name}, {"nodes", settings.nodes}};
  row.update(to_json(entry.choice));
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

Json measure_latency(const Workload& workload, const LatencySettings& settings) {
  at::set_num_threads(1);
  auto entries = make_latency_entries(workload, settings);
  const auto jet = jet_of_nodes(workload, settings.nodes);
  for (std::int64_t done = 0; done < settings.calls; done += kCallsInTurn) {
    for (auto& entry : entries) {
      if (!entry.error.empty()) continue;
      score(entry.network, jet, workload);  // takes the caches back from the one before
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
