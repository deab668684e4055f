#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lorentznet/communicator.h"

namespace torch::nn {
class Module;
}

namespace lorentznet {

// What the ranks of a run do together. Every function is collective, and throws what the
// communicator throws. In a single process they return at once, and change nothing.

/// Returns when all ranks have arrived.
void meet(const Communicator& ranks);

/// Whether `flag` is set on any rank; the same answer on all of them.
bool any_rank(const Communicator& ranks, bool flag);

/// The first rank whose number differs from rank 0's, the same on every rank; 0 if there is none.
std::int64_t first_different(const Communicator& ranks, std::int64_t number);

/// Rank 0's text. All ranks' texts have the same length.
std::string text_of_rank_0(const Communicator& ranks, std::string text);

/// Each value becomes its sum over the ranks.
void sum_values(const Communicator& ranks, std::span<double> values);
void sum_values(const Communicator& ranks, std::span<float> values);

/// The same, returned.
std::vector<double> sum_figures(const Communicator& ranks, std::vector<double> figures);

/// A row of numbers from each rank: [n] -> [ranks, n].
at::Tensor gather_rows(const Communicator& ranks, const at::Tensor& row);

/// The sum of a tensor over all ranks, with a gradient: the backward pass sums over the ranks too,
/// so that the gradient is that of the sum of the ranks' losses.
at::Tensor sum_over_ranks(const std::shared_ptr<const Communicator>& ranks,
                          const at::Tensor& tensor);

/// Parameters and buffers become rank 0's.
void broadcast_module(const Communicator& ranks, const torch::nn::Module& module);

/// Gradients become their mean over the ranks, and so do the tensors `also`, of the same type.
void average_gradients(const Communicator& ranks, const torch::nn::Module& module,
                       const std::vector<at::Tensor>& also = {});

}  // namespace lorentznet
