#pragma once

#include <cstdint>

#include "lorentznet/communicator.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

// What the ranks of a training do together; collective, and nothing in a single process.

/// Parameters and buffers become rank 0's.
void broadcast_model(const Communicator& ranks, LorentzNetImpl& model);

/// Gradients become their mean over the ranks.
void average_gradients(const Communicator& ranks, const LorentzNetImpl& model);

/// A row of integers of each rank: [n] -> [ranks, n].
at::Tensor gather(const Communicator& ranks, const at::Tensor& row);

/// A number that depends on every bit of the parameters.
std::int64_t checksum(const LorentzNetImpl& model);

/// The first rank whose number is not rank 0's, the same for all that ask; 0 if there is none.
std::int64_t first_different(const Communicator& ranks, std::int64_t number);

}  // namespace lorentznet
