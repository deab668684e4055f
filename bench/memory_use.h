#pragma once

#include <cstdint>

#include "bench/rates.h"

namespace lorentznet::bench {

/// Peak of the resident memory [MB, 1e6 bytes] while one batch of `batch_size` jets is made and
/// scored, or trained on, above what the process had with the data loaded, the network made and a
/// few small jets run.
///
/// It is VmHWM at the end, reset at the start, less VmRSS at the start. Call it in a process of its
/// own (child.h), which then gets no more than half of the memory that is free: beyond, LibTorch
/// throws.
double peak_memory_mb(const Workload& workload, Mode mode, const Contender& contender,
                      std::int64_t batch_size);

}  // namespace lorentznet::bench
