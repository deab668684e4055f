#pragma once

#include "kernels/kernel.h"
#include "named_tensors.h"

namespace lorentznet::test {

/// How to make a random case.
struct NodeCaseOptions {
  std::int64_t rows = 1;  ///< P
  std::int64_t hidden = 8;
  std::int64_t scalars = 2;
  bool training = false;  ///< batch norm's statistics are those of the rows
  double ghost = 0;       ///< weight of the ghost row; 0: there is none
  std::uint64_t seed = 3;
};

/// Random parameters and input of an LGEB's node part.
struct NodeCase {
  NodeParameters parameters;
  at::Tensor h, message, scalars;  ///< [P, H], or [P+1, H] with a ghost; [P, H]; [P, S] or [P+1, S]
  at::Tensor pull;                 ///< as h, double: dL/d(new embeddings)
  double ghost = 0;
};

NodeCase random_nodes(const NodeCaseOptions& options, at::ScalarType type);

/// The same numbers as a case in double.
NodeCase in_double(const NodeCase& nodes);

/// The results of `kernel` for a case: "result", gradients "h", "message" and under the parameters'
/// names, and the updated "running_mean" and "running_var". The case itself is unchanged.
NamedTensors run(const NodeKernel& kernel, const NodeCase& nodes);

/// Bound on the rounding error in float of each result of run(), as EdgeTrace::tolerances() has it
/// for the edges.
std::map<std::string, double> float_tolerances(const NodeCase& nodes);

/// A case in float with `options`, except the seed, in which rounding takes no input of a relu to
/// the other side of zero.
NodeCase clear_of_kinks(NodeCaseOptions options);

}  // namespace lorentznet::test
