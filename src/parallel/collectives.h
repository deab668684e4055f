#pragma once

#include <cstdint>
#include <vector>

#include "lorentznet/communicator.h"

namespace torch::nn {
class Module;
}

namespace lorentznet {

// What the ranks of a run do together. Every function is collective, and does nothing in a single
// process.

/// The ranks' sum of a few numbers.
std::vector<double> sum_figures(const Communicator& ranks, std::vector<double> figures);

/// Returns when all ranks have arrived.
void meet(const Communicator& ranks);

/// The sum of a tensor over all ranks, for autograd: the backward pass sums over the ranks too, so
/// that the gradient is that of the sum of the ranks' losses.
at::Tensor sum_over_ranks(const std::shared_ptr<const Communicator>& ranks,
                          const at::Tensor& tensor);

/// Parameters and buffers become rank 0's.
void broadcast_module(const Communicator& ranks, const torch::nn::Module& module);

/// Gradients become their mean over the ranks.
void average_gradients(const Communicator& ranks, const torch::nn::Module& module);

/// A row of integers from each rank: [n] -> [ranks, n].
at::Tensor gather(const Communicator& ranks, const at::Tensor& row);

/// The first rank whose number differs from rank 0's, the same on every rank; 0 if there is none.
std::int64_t first_different(const Communicator& ranks, std::int64_t number);

}  // namespace lorentznet
