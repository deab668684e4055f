#pragma once

#include "lorentznet/communicator.h"

namespace lorentznet {

/// The sum of a number over all ranks.
double sum_over_ranks(const Communicator& ranks, double value);

/// The sum of a tensor over all ranks, for autograd: backwards it is a sum over ranks too, so that
/// the gradient is that of the sum of the ranks' losses.
at::Tensor sum_over_ranks(const std::shared_ptr<const Communicator>& ranks,
                          const at::Tensor& tensor);

}  // namespace lorentznet
