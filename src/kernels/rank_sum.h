#pragma once

#include <vector>

#include "lorentznet/communicator.h"

namespace lorentznet {

/// The ranks' sum of a few numbers.
std::vector<double> sum_figures(const Communicator& ranks, std::vector<double> figures);

/// Returns when all ranks have come here.
void meet(const Communicator& ranks);

/// The sum of a tensor over all ranks, for autograd: backwards it is a sum over ranks too, so that
/// the gradient is that of the sum of the ranks' losses.
at::Tensor sum_over_ranks(const std::shared_ptr<const Communicator>& ranks,
                          const at::Tensor& tensor);

}  // namespace lorentznet
