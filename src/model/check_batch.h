#pragma once

#include "lorentznet/batch.h"

namespace lorentznet {

/// Whether a network of `n_scalar` scalars on `device` can take the batch.
/// \throws InputError naming the tensor or jet, and both values
void check_batch(const Batch& batch, std::int64_t n_scalar, const at::Device& device);

}  // namespace lorentznet
