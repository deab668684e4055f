#pragma once

#include <string>

namespace lorentznet::cuda {

/// Empty if there are kernels for such a network, of inference and of training, which the current
/// GPU runs; else why not.
std::string why_no_kernels(int hidden, int scalars);

}  // namespace lorentznet::cuda
