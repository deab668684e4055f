#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bench/workload.h"
#include "io/json.h"

namespace lorentznet::bench {

/// Work done, and the time it took.
struct Turn {
  double jets = 0, flops = 0, seconds = 0;  ///< flops as counted_flops counts them
  double cpu_seconds = 0;                   ///< of all threads of the process

  double jets_per_s() const { return jets / seconds; }
  double gflops() const { return 1e-9 * flops / seconds; }
  /// Average number of busy cores: fewer than threads if some wait, or if other processes use them.
  double cores() const { return cpu_seconds / seconds; }
};

/// Runs whole batches, from batches[first] on and around, for `seconds` or little more; at least
/// one.
Turn take_turn(Runner& runner, const std::vector<Batch>& batches, std::size_t first, Mode mode,
               double seconds);

/// Seconds that `work` takes.
double time_of(const std::function<void()>& work);

/// The q-quantile (0 <= q <= 1) of at least one value, interpolated between neighbours.
double quantile(std::vector<double> values, double q);

double median(const std::vector<double>& values);

/// {"median", "low", "high"}: low and high are the quartiles.
Json spread(const std::vector<double>& values);

/// The quotients of two equally long series, element by element.
std::vector<double> quotients(const std::vector<double>& numerators,
                              const std::vector<double>& denominators);

}  // namespace lorentznet::bench
