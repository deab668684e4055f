#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bench/runner.h"

namespace lorentznet::bench {

/// What was done in how long.
struct Turn {
  double jets = 0, flops = 0, seconds = 0;  ///< flops as counted_flops counts them
  double cpu_seconds = 0;                   ///< of all threads of the process

  double jets_per_s() const { return jets / seconds; }
  double gflops() const { return 1e-9 * flops / seconds; }
  /// Cores at work on average: fewer than threads where some wait, or others have the cores.
  double cores() const { return cpu_seconds / seconds; }
};

/// Runs whole batches from `batches`, from `first` on and around, for `seconds` or little more,
/// at least one.
Turn take_turn(Runner& runner, const std::vector<Batch>& batches, std::size_t first, Mode mode,
               double seconds);

/// Seconds that `work` takes.
double time_of(const std::function<void()>& work);

}  // namespace lorentznet::bench
