#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel.h"
#include "named_tensors.h"

namespace lorentznet::test {

/// What a random case is made of.
struct EdgeCaseOptions {
  std::vector<std::int64_t> sizes;  ///< constituents of each jet
  std::int64_t hidden = 8;
  bool last_layer = false;
  bool training = false;  ///< batch norm's statistics are those of the edges
  double move = 30;       ///< factor of phi_x.2's weights: 1 clamps nothing, 30 some, 1e3 most
  std::uint64_t seed = 3;
};

/// Random parameters and input of an LGEB's edge part.
struct EdgeCase {
  EdgeParameters parameters;
  at::Tensor h;                 ///< [P, H]
  at::Tensor x;                 ///< [P, 4] double, four-momenta of massless particles of some GeV
  at::Tensor message_pull;      ///< [P, H] double, dL/d(sum of messages)
  at::Tensor translation_pull;  ///< [P, 4] double, dL/d(sum of translations)
  std::vector<std::int64_t> offsets;
};

EdgeCase random_edges(const EdgeCaseOptions& options, at::ScalarType type);

/// The same numbers as a case in double.
EdgeCase in_double(const EdgeCase& edges);

/// The parameters, with their names in a layer's state dict.
NamedTensors named_parameters(const EdgeParameters& parameters);

/// What `kernel` makes of a case: "message", "translation" (not in a last layer), gradients "h",
/// "x" and by the parameters' names, and batch norm's "running_mean" and "running_var" afterwards.
/// The case stays as it is.
NamedTensors run(const EdgeKernel& kernel, const EdgeCase& edges);

}  // namespace lorentznet::test
