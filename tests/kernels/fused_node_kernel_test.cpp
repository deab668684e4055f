// The fused node kernel against the plain one: embeddings, gradients and running statistics.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "kernels/fused_kernel.h"
#include "node_case.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

/// 1e-10 of a tensor's largest element; absolute where batch norm's statistics make the gradient
/// of a bias before it zero.
std::map<std::string, double> double_tolerances(const NamedTensors& expected, bool training) {
  std::map<std::string, double> tolerances;
  for (const auto& [name, tensor] : expected) {
    const bool zero = training && name == "phi_h.0.bias";
    tolerances[name] = 1e-10 * (zero ? 1 : tensor.abs().max().item<double>());
  }
  return tolerances;
}

/// Calls check(options) for several numbers of rows, with and without a ghost, in training and
/// frozen. (One row alone has no variance.)
template <typename Check>
void for_each_case(std::int64_t hidden, std::int64_t scalars, Check check) {
  for (const std::int64_t rows : {1, 47, 48, 49, 500}) {
    for (const double ghost : {0., 1., 37.}) {
      for (const bool training : {false, true}) {
        if (training && rows == 1 && ghost == 0) continue;
        if (!training && ghost > 0) continue;  // padding counts in the statistics of training only
        CAPTURE(hidden, scalars, rows, ghost, training);
        check(NodeCaseOptions{.rows = rows,
                              .hidden = hidden,
                              .scalars = scalars,
                              .training = training,
                              .ghost = ghost});
      }
    }
  }
}

template <typename Check>
void for_each_size(Check check) {
  for (const std::int64_t hidden : {8, 13, 72}) {
    for (const std::int64_t scalars : {2, 8}) for_each_case(hidden, scalars, check);
  }
}

}  // namespace

TEST_CASE("fused nodes: in double as plain, to 1e-10") {
  for_each_size([](const NodeCaseOptions& options) {
    const auto nodes = random_nodes(options, at::kDouble);
    const auto expected = run(PlainNodeKernel(), nodes);
    check_same(run(FusedNodeKernel(Isa::kPortable), nodes), expected,
               double_tolerances(expected, options.training));
  });
}

TEST_CASE("fused nodes: in float as plain in double, to float's rounding") {
  for_each_size([](const NodeCaseOptions& options) {
    const auto nodes = clear_of_kinks(options);
    const auto same = in_double(nodes);
    const auto expected = run(PlainNodeKernel(), same);
    const auto tolerances = float_tolerances(same);
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(name(isa));
      check_same(run(FusedNodeKernel(isa), nodes), expected, tolerances);
    }
  });
}

TEST_CASE("fused nodes: what was not kept is computed again, to the same bits") {
  for (const auto isa : instruction_sets_here()) {
    for (const bool training : {false, true}) {
      const auto nodes = random_nodes({.rows = 500, .training = training}, at::kFloat);
      check_equal(run(FusedNodeKernel(isa, 0), nodes), run(FusedNodeKernel(isa), nodes));
    }
  }
}

TEST_CASE("fused nodes: the scalars have no gradient") {
  auto nodes = random_nodes({.rows = 3}, at::kFloat);
  nodes.scalars.requires_grad_();
  CHECK_THROWS_WITH(run(FusedNodeKernel(Isa::kPortable), nodes),
                    Catch::Contains("no gradient of the scalars"));
}
