#include "bench/measure.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "bench/machine.h"

namespace lorentznet::bench {
namespace {

/// Few and therefore long: the loader has time to get ahead.
constexpr int kEndToEndRounds = 3;

/// The result of measure(), or {"error": ...}.
Json result_or_error(const std::function<Json()>& measure) {
  try {
    return in_child(measure);
  } catch (const std::exception& error) {
    return {{"error", first_line(error)}};
  }
}

/// The measurements of one task, each in processes of its own.
class TaskBench {
 public:
  TaskBench(const Settings& settings, const Workload& workload, Json layers,
            const std::function<void(const std::string&)>& progress, Json& results)
      : settings_(settings),
        workload_(workload),
        layers_(std::move(layers)),
        progress_(progress),
        results_(results) {}

  void run() {
    const auto has = [&](const char* part) { return settings_.has_part(part); };
    for (const auto mode : settings_.modes) {
      for (const auto batch_size : settings_.batch_sizes) {
        if (has("rates")) add_rates(rates_of(mode, batch_size));
        if (has("end_to_end")) add_end_to_end(rates_of(mode, batch_size));
      }
    }
    if (has("latency")) add_latency();
    if (has("memory")) add_training_memory();
  }

 private:
  RateSettings rates_of(Mode mode, std::int64_t batch_size) const {
    RateSettings rates{.mode = mode,
                       .batch_size = batch_size,
                       .rounds = settings_.rounds,
                       .seconds = settings_.seconds,
                       .contenders = {}};
    for (const auto threads : settings_.threads) {
      for (const auto& kernel : settings_.kernels) {
        rates.contenders.push_back({.kernel = kernel, .threads = static_cast<int>(threads)});
      }
    }
    return rates;
  }

  void announce(const std::string& what) const {
    progress_(fmt::format("measuring {}: {} ...", workload_.task.name, what));
  }

  void add_rates(const RateSettings& rates) {
    announce(fmt::format("{}, batches of {}", name(rates.mode), rates.batch_size));
    const auto rows = result_or_error([&] { return measure_rates(workload_, rates); });
    for (std::size_t k = 0; k < rates.contenders.size(); ++k) {
      auto row = describe(workload_, rates.mode, rates.batch_size, rates.contenders[k]);
      row.update(rows.is_array() ? rows[k] : rows);
      row["share_done"] = share_of_products(layers_, rates.mode);
      if (settings_.has_part("memory") && !row.contains("error")) {
        row.update(memory_of(rates.mode, rates.contenders[k], rates.batch_size));
      }
      results_["rates"].push_back(row);
    }
  }

  Json memory_of(Mode mode, const Contender& contender, std::int64_t batch_size) const {
    return result_or_error([&]() -> Json {
      return {{"peak_memory_mb", peak_memory_mb(workload_, mode, contender, batch_size)}};
    });
  }

  /// With the fused kernels only, if any: the loader is the same for all, and costs fast ones most.
  void add_end_to_end(const RateSettings& rates) {
    const bool only_plain = !has_fused();
    for (const auto& contender : rates.contenders) {
      if (!contender.kernel.fused && !only_plain) continue;
      auto row = describe(workload_, rates.mode, rates.batch_size, contender);
      announce(fmt::format("{} with its loader, {}, threads {}", name(rates.mode),
                           label(contender.kernel), contender.threads));
      row.update(result_or_error([&] {
        return measure_end_to_end(workload_, {.mode = rates.mode,
                                              .batch_size = rates.batch_size,
                                              .rounds = kEndToEndRounds,
                                              .seconds = rates.seconds,
                                              .contender = contender});
      }));
      results_["end_to_end"].push_back(row);
    }
  }

  void add_latency() {
    for (const auto nodes : settings_.nodes) add_latency(nodes);
  }

  void add_latency(std::int64_t nodes) {
    announce(fmt::format("one jet of {} nodes at a time", nodes));
    const auto rows = result_or_error([&] {
      return measure_latency(
          workload_,
          {.nodes = nodes, .calls = settings_.latency_calls, .kernels = settings_.kernels});
    });
    for (std::size_t k = 0; k < settings_.kernels.size(); ++k) {
      Json row{{"task", workload_.task.name}};
      row.update(to_json(settings_.kernels[k]));
      row.update(rows.is_array() ? rows[k] : rows);
      results_["latency"].push_back(row);
    }
  }

  /// With the fused kernels only: the plain one would not fit.
  void add_training_memory() {
    for (const auto& contender : rates_of(Mode::kTraining, settings_.memory_batch).contenders) {
      if (!contender.kernel.fused) continue;
      auto row = describe(workload_, Mode::kTraining, settings_.memory_batch, contender);
      announce(fmt::format("memory of a training step of {} jets, threads {}",
                           settings_.memory_batch, contender.threads));
      row.update(memory_of(Mode::kTraining, contender, settings_.memory_batch));
      results_["memory"].push_back(row);
    }
  }

  bool has_fused() const {
    return std::any_of(settings_.kernels.begin(), settings_.kernels.end(),
                       [](const auto& kernel) { return kernel.fused; });
  }

  const Settings& settings_;
  const Workload& workload_;
  Json layers_;  ///< densities()
  const std::function<void(const std::string&)>& progress_;
  Json& results_;
};

}  // namespace

Json measure(const Settings& settings, const std::function<void(const std::string&)>& progress) {
  at::set_num_threads(1);  // forked processes would lose any further threads
  Json results{{"machine", describe_machine()}, {"data", Json::array()}};
  for (const auto* part : {"rates", "latency", "memory", "end_to_end"}) {
    results[part] = Json::array();
  }
  for (const auto* task : settings.tasks) {
    const auto workload = load_workload(*task, settings.datadir, settings.checkpoint,
                                        settings.n_hidden, settings.n_layers);
    const auto layers = in_child([&] { return densities(workload); });
    results["data"].push_back({{"task", task->name},
                               {"jets", workload.train.num_jets()},
                               {"hidden", workload.options.n_hidden},
                               {"layers", workload.options.n_layers},
                               {"densities", layers},
                               {"reading_jets_per_s", workload.reading_jets_per_s}});
    TaskBench(settings, workload, layers, progress, results).run();
  }
  return results;
}

}  // namespace lorentznet::bench
