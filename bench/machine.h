#pragma once

#include "io/json.h"
#include "lorentznet/isa.h"

namespace lorentznet::bench {

/// What the figures depend on besides the program: {"processor", "cores", "isa",
/// "omp_wait_policy", "gomp_spincount"}.
Json describe_machine();

/// What `threads` cores can reach right now [GFLOP/s]: independent multiply-adds in registers
/// alone, for `seconds`, in LibTorch's threads, of which there must be `threads`.
///
/// The instruction is the best of `isa`: FMA of zmm or ymm registers; without FMA, SSE2's multiply
/// and add. Each thread works until the time is over, so that a core lent to another process lowers
/// the figure by the time lost only.
double measure_fma_peak(Isa isa, int threads, double seconds);

}  // namespace lorentznet::bench
