#pragma once

#include <ATen/core/Tensor.h>

namespace lorentznet {

/// psi(p) = sign(p) log(1 + |p|), element by element (arXiv:2201.08187, section 3). Its derivative
/// is 1 / (1 + |p|), and 0 at p = 0.
at::Tensor psi(const at::Tensor& p);

/// Minkowski products <p, q> = p0 q0 - p1 q1 - p2 q2 - p3 q3 of rows, [N, 4] x [N, 4] -> [N, 1].
at::Tensor minkowski_dot(const at::Tensor& p, const at::Tensor& q);

}  // namespace lorentznet
