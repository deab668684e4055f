#pragma once

#include "kernels/kernel.h"
#include "named_tensors.h"

namespace lorentznet::test {

/// What a random case is made of.
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

/// What `kernel` makes of a case: "result", gradients "h", "message" and by the parameters' names,
/// and batch norm's "running_mean" and "running_var" afterwards. The case stays as it is.
NamedTensors run(const NodeKernel& kernel, const NodeCase& nodes);

/// By how much float's rounding may change each result of run(): twice u sqrt(K) of the sum of the
/// absolute values of the terms that an element is the sum of, the largest of the tensor; K is the
/// length of the products behind a term. (See EdgeTrace, which does so for the edges.)
std::map<std::string, double> float_tolerances(const NodeCase& nodes);

/// A case in float, of `options` but for the seed, in which float's rounding brings no input of a
/// relu to the other side of zero.
NodeCase clear_of_kinks(NodeCaseOptions options);

}  // namespace lorentznet::test
