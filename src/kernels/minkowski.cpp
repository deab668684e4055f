#include "kernels/minkowski.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log1p.h>

namespace lorentznet {

at::Tensor psi(const at::Tensor& p) { return at::log1p(p.abs()) * p.sign(); }

at::Tensor minkowski_dot(const at::Tensor& p, const at::Tensor& q) {
  const auto product = p * q;
  return product.narrow(1, 0, 1) - product.narrow(1, 1, 3).sum(1, /*keepdim=*/true);
}

}  // namespace lorentznet
