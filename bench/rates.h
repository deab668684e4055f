#pragma once

#include <cstdint>
#include <vector>

#include "bench/workload.h"

namespace lorentznet::bench {

/// A kernel on a number of threads: a row of the table.
struct Contender {
  KernelChoice choice;
  int threads = 1;
};

/// Rows that are measured together, and compared.
struct RateSettings {
  Mode mode = Mode::kInference;
  std::int64_t batch_size = 32;
  int rounds = 7;
  double seconds = 2;  ///< of a contender, over all rounds
  std::vector<Contender> contenders;
};

/// Jets/s and GFLOP/s of all contenders, a JSON object each, in their order.
///
/// In each round every contender has its turn, between two measurements of its FMA peak, on the
/// same batches. Ratios are taken within a round, where the machine is the same for both parts, and
/// reported as median and quartiles over the rounds. (Libraries of benchmarks repeat one benchmark
/// to its end before the next, or shuffle the repetitions: their ratios are those of two different
/// moments of a noisy machine. Hence none is used.)
///
/// A contender that can't run gets an object with "error".
Json measure_rates(const Workload& workload, const RateSettings& settings);

/// What names a row: task, mode, kernel, threads, batch size.
Json describe(const Workload& workload, Mode mode, std::int64_t batch_size,
              const Contender& contender);

}  // namespace lorentznet::bench
