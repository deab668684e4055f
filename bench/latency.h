#pragma once

#include <cstdint>
#include <vector>

#include "bench/workload.h"

namespace lorentznet::bench {

struct LatencySettings {
  std::int64_t nodes = 50;
  std::int64_t calls = 1000;  ///< of each kernel
  std::vector<KernelChoice> kernels;
};

/// How long one jet takes on one core through the library, from a JetSet in memory to its
/// probability: "median_ms" and "p99_ms" [ms] of each kernel, an object each. The kernels take
/// turns of some tens of calls.
Json measure_latency(const Workload& workload, const LatencySettings& settings);

}  // namespace lorentznet::bench
