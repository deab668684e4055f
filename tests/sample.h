#pragma once

#include <cstdint>

#include "lorentznet/batch.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet::test {

/// The first jets of the project's sample data.
JetSet sample_jets(const Task& task, std::int64_t count);

/// A small network in double with random weights that move the coordinates visibly.
LorentzNet small_network(const Task& task, double dropout = 0);

/// All jets of `set` in one batch, with Pooling::kJet.
Batch whole_batch(const JetSet& set, const Task& task);

}  // namespace lorentznet::test
