#pragma once

#include <cstdint>

#include "bench/rates.h"

namespace lorentznet::bench {

struct EndToEndSettings {
  Mode mode = Mode::kInference;
  std::int64_t batch_size = 32;
  int rounds = 3;
  double seconds = 3;  ///< of each of the two, over all rounds
  Contender contender;
};

/// What is left of a kernel's speed in a program. Inference: evaluate(), with its BatchLoader and
/// bookkeeping, against forward() on the same batches made before. Training: an epoch of Trainer
/// against bare steps. Both in turn in each round; "jets_per_s", "bare_jets_per_s" and their
/// "ratio", and "make_batch_jets_per_s" of one thread that does nothing but make these batches.
Json measure_end_to_end(const Workload& workload, const EndToEndSettings& settings);

}  // namespace lorentznet::bench
