#pragma once

#include <cstdint>
#include <vector>

#include "lorentznet/edge_kernel.h"

namespace lorentznet::test {

/// Random parameters and input of an LGEB's edge part.
struct EdgeCase {
  EdgeParameters parameters;
  at::Tensor h;  ///< [P, H]
  at::Tensor x;  ///< [P, 4] double, four-momenta of massless particles of some GeV
  std::vector<std::int64_t> offsets;
};

/// \param sizes  constituents of each jet
/// \param move   size of phi_x.2's weights: 1e3 clamps many translations
EdgeCase random_edges(const std::vector<std::int64_t>& sizes, std::int64_t hidden, bool last_layer,
                      bool training, at::ScalarType type, double move = 1);

/// A copy of double values.
EdgeCase in_double(const EdgeCase& edges);

/// What a kernel makes of it, forward and backward.
struct EdgeResult {
  at::Tensor message, translation;
  at::Tensor h_gradient, x_gradient;
  std::vector<std::pair<std::string, at::Tensor>> gradients;   ///< of the parameters
  std::vector<std::pair<std::string, at::Tensor>> statistics;  ///< batch norm's, afterwards
};

/// Runs `kernel` on a copy of the case; the loss is a random linear function of the sums.
EdgeResult run(const EdgeKernel& kernel, const EdgeCase& edges);

}  // namespace lorentznet::test
