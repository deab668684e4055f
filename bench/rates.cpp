#include <ATen/Parallel.h>

#include <memory>

#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/timing.h"

namespace lorentznet::bench {
namespace {

constexpr double kPeakSeconds = 0.02;
constexpr std::int64_t kBatches = 8;

/// A contender and the results of its rounds.
struct Entry {
  Contender contender;
  std::string error;
  std::unique_ptr<Runner> runner;  ///< null if there is an error
  std::vector<double> jets_per_s, gflops, peak_gflops, cores;
};

std::vector<Entry> make_entries(const Workload& workload, const RateSettings& settings) {
  std::vector<Entry> entries;
  for (const auto& contender : settings.contenders) {
    at::set_num_threads(contender.threads);
    Entry entry;
    entry.contender = contender;
    entry.error = reason_against(workload, contender.kernel, settings.mode);
    if (entry.error.empty()) {
      entry.runner = std::make_unique<Runner>(workload, contender.kernel, settings.mode);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

void play_round(Entry& entry, const RateSettings& settings, const std::vector<Batch>& batches,
                int round) {
  const auto& contender = entry.contender;
  const auto peak = [&] {
    return measure_fma_peak(contender.kernel.isa, contender.threads, kPeakSeconds);
  };
  at::set_num_threads(contender.threads);
  const auto before = peak();
  const auto turn = take_turn(*entry.runner, batches, static_cast<std::size_t>(round),
                              settings.mode, settings.seconds / settings.rounds);
  entry.peak_gflops.push_back((before + peak()) / 2);
  entry.jets_per_s.push_back(turn.jets_per_s());
  entry.gflops.push_back(turn.gflops());
  entry.cores.push_back(turn.cores());
}

/// Ratio of the entry's GFLOP/s to those of the other one for which `is_other` holds; null if there
/// is none.
template <typename Predicate>
Json ratio(const Entry& entry, const std::vector<Entry>& entries, const Predicate& is_other) {
  for (const auto& other : entries) {
    if (&other != &entry && other.runner && is_other(other.contender)) {
      return spread(quotients(entry.gflops, other.gflops));
    }
  }
  return nullptr;
}

Json report(const Entry& entry, const std::vector<Entry>& entries) {
  const auto& own = entry.contender;
  return {{"name", entry.runner->network()->kernel_name()},
          {"jets_per_s", median(entry.jets_per_s)},
          {"gflops", median(entry.gflops)},
          {"peak_gflops", median(entry.peak_gflops)},
          {"cores", median(entry.cores)},
          {"of_peak", spread(quotients(entry.gflops, entry.peak_gflops))},
          {"vs_plain", ratio(entry, entries,
                             [&](const Contender& other) {
                               return !other.kernel.fused && other.threads == own.threads;
                             })},
          {"vs_one_thread", ratio(entry, entries,
                                  [&](const Contender& other) {
                                    return other.kernel == own.kernel && other.threads == 1;
                                  })},
          {"rounds",
           {{"jets_per_s", entry.jets_per_s},
            {"gflops", entry.gflops},
            {"peak_gflops", entry.peak_gflops},
            {"cores", entry.cores}}}};
}

}  // namespace

Json describe(const Workload& workload, Mode mode, std::int64_t batch_size,
              const Contender& contender) {
  Json row{{"task", workload.task.name}, {"mode", name(mode)}};
  row.update(to_json(contender.kernel));
  row["threads"] = contender.threads;
  row["batch_size"] = batch_size;
  return row;
}

Json measure_rates(const Workload& workload, const RateSettings& settings) {
  auto entries = make_entries(workload, settings);
  const auto batches = alike_batches(workload, settings.batch_size, kBatches, settings.mode);
  for (int round = -1; round < settings.rounds; ++round) {
    for (auto& entry : entries) {
      if (!entry.runner) continue;
      at::set_num_threads(entry.contender.threads);
      if (round < 0) {
        entry.runner->run(batches.back());  // warm-up
      } else {
        play_round(entry, settings, batches, round);
      }
    }
  }
  Json rows = Json::array();
  for (const auto& entry : entries) {
    auto row = describe(workload, settings.mode, settings.batch_size, entry.contender);
    row.update(entry.runner ? report(entry, entries) : Json{{"error", entry.error}});
    rows.push_back(row);
  }
  return rows;
}

}  // namespace lorentznet::bench
