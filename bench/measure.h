#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/flags.h"
#include "bench/workload.h"
#include "io/json.h"

namespace lorentznet::bench {

/// All measurements that `settings` ask for: {"machine", "data", "rates", "latency", "memory",
/// "end_to_end"}, the last four lists of objects. A measurement that fails has "error" in its
/// object, and the others continue.
///
/// \param progress  receives a line for people before each step
/// \throws InputError if the data or the checkpoint cannot be used
Json measure(const Settings& settings, const std::function<void(const std::string&)>& progress);

/// The results of measure() as text of at most 120 columns.
std::string table(const Json& results);

// The parts of measure().

/// A kernel with a number of threads: a row of the table.
struct Contender {
  Kernel kernel;
  int threads = 1;
};

/// Rows that are measured in turn and compared.
struct RateSettings {
  Mode mode = Mode::kInference;
  std::int64_t batch_size = 32;
  int rounds = 7;
  double seconds = 2;  ///< per contender, over all rounds
  std::vector<Contender> contenders;
};

/// Jets/s and GFLOP/s of each contender: a list of JSON objects in their order; one that cannot run
/// has "error".
///
/// In each round every contender has its turn on the same batches, between two measurements of its
/// FMA peak. Ratios are taken within a round, in which the machine is in the same state for both
/// parts, and reported as median and quartiles over the rounds. (Benchmark libraries finish one
/// benchmark before the next, or shuffle the repetitions; their ratios compare different moments of
/// a noisy machine.)
Json measure_rates(const Workload& workload, const RateSettings& settings);

/// What identifies a row: task, mode, kernel, threads, batch size.
Json describe(const Workload& workload, Mode mode, std::int64_t batch_size,
              const Contender& contender);

/// Shares of elements above zero of each layer, in jets of average size: "z" of phi_e's batch norm,
/// "e" of phi_e's output, "y" of phi_x.0 (not in the last layer).
Json densities(const Workload& workload);
/// Of the products that counted_flops() counts, the share of those with a factor that is not zero.
double share_of_products(const Json& densities, Mode mode);

struct EndToEndSettings {
  Mode mode = Mode::kInference;
  std::int64_t batch_size = 32;
  int rounds = 3;
  double seconds = 3;  ///< per part, over all rounds
  Contender contender;
};

/// How much of a kernel's speed a program reaches. Inference: evaluate(), including its BatchLoader
/// and bookkeeping, and forward() alone on ready batches. Training: an epoch of Trainer, and steps
/// alone. Each round measures both: "jets_per_s", "bare_jets_per_s" and their "ratio"; and
/// "make_batch_jets_per_s" of one thread that only makes these batches.
Json measure_end_to_end(const Workload& workload, const EndToEndSettings& settings);

struct LatencySettings {
  std::int64_t nodes = 50;
  std::int64_t calls = 1000;  ///< per kernel
  std::vector<Kernel> kernels;
};

/// Time of one jet on one core, from a JetSet in memory to its probability: "median_ms" and
/// "p99_ms" [ms], an object for each kernel. The kernels take turns of some tens of calls.
Json measure_latency(const Workload& workload, const LatencySettings& settings);

/// Peak memory [MB, 1e6 bytes] of making one batch of `batch_size` jets and scoring it, or training
/// on it: VmHWM at the end, reset at the start, minus VmRSS at the start, when the data are loaded,
/// the network is made and two small jets have been run.
///
/// Call it in_child(): afterwards the process gets no more than half of the free memory, and
/// LibTorch throws beyond that.
double peak_memory_mb(const Workload& workload, Mode mode, const Contender& contender,
                      std::int64_t batch_size);

/// measure(), called in a forked process: with its own threads and memory, and the data that are
/// already loaded. The caller must not have used LibTorch's threads, which a fork loses.
/// \throws std::runtime_error with its message if it throws, or if the process dies
Json in_child(const std::function<Json()>& measure);

}  // namespace lorentznet::bench
