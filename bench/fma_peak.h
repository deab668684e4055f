#pragma once

#include "lorentznet/isa.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet::bench {

/// What `threads` cores give at their best, right now [GFLOP/s]: independent multiply-adds from
/// registers alone, for `seconds`, in LibTorch's own threads, of which there must be that many.
///
/// The instruction is the best of `isa`: FMA of zmm or ymm registers, SSE2's multiply and add where
/// there is no FMA, and with Precision::kBf16 (AVX-512 only) the dot product of bfloat16 pairs.
/// Each thread works until the time is over, so a core that was lent to another process lowers the
/// figure by what it lost and no more.
double measure_fma_peak(Isa isa, Precision precision, int threads, double seconds);

}  // namespace lorentznet::bench
