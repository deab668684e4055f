#pragma once

#include <ATen/core/Tensor.h>

namespace torch::optim {
class AdamW;
}

namespace lorentznet {

/// A step of AdamW, for which the host does not wait. On the CPU it is LibTorch's own; on other
/// devices one kernel does it for all parameters, where LibTorch's has a dozen for each. The
/// arithmetic is the same within rounding, and so is the optimizer's state.
/// \param spoiled  [] float on the parameters' device: 1 leaves the parameters as they are. Not on
///                 the CPU, and undefined for 0
void take_step(torch::optim::AdamW& optimizer, const at::Tensor& spoiled);

}  // namespace lorentznet
