// The fused node kernel against the plain one (embeddings, gradients and running statistics), and
// its Linear layers outside the LGEBs against LibTorch's.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"
#include "node_case.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

/// 1e-10 of a tensor's largest element, but absolute for the bias before batch norm in training:
/// its gradient is zero.
std::map<std::string, double> double_tolerances(const NamedTensors& expected, bool training) {
  std::map<std::string, double> tolerances;
  for (const auto& [name, tensor] : expected) {
    const bool zero = training && name == "phi_h.0.bias";
    tolerances[name] = 1e-10 * (zero ? 1 : tensor.abs().max().item<double>());
  }
  return tolerances;
}

/// Calls check(options) for several numbers of rows, with and without a ghost, with training and
/// frozen statistics. (A single row has no variance.)
template <typename Check>
void for_each_case(std::int64_t hidden, std::int64_t scalars, Check check) {
  for (const std::int64_t rows : {1, 63, 64, 65, 500}) {
    for (const double ghost : {0., 1., 37.}) {
      for (const bool training : {false, true}) {
        if (training && rows == 1 && ghost == 0) continue;
        if (!training && ghost > 0) continue;  // padding enters the statistics of training only
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
  for (const std::int64_t hidden : {1, 4, 13, 72}) {
    for (const std::int64_t scalars : {2, 8}) for_each_case(hidden, scalars, check);
  }
}

struct LinearCase {
  torch::nn::Linear layer{nullptr};
  at::Tensor rows, pull;
};

LinearCase random_linear(std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                         at::ScalarType type) {
  torch::manual_seed(5);
  LinearCase result{torch::nn::Linear(inputs, outputs), at::randn({rows, inputs}, type),
                    at::randn({rows, outputs}, type)};
  result.layer->to(type);
  return result;
}

/// The result and the gradients; that of the rows if `of_rows`.
NamedTensors run(const NodeKernel& kernel, const LinearCase& linear, bool of_rows) {
  const auto rows = linear.rows.clone().requires_grad_(of_rows);
  linear.layer.ptr()->zero_grad();
  const auto result = kernel.linear(*linear.layer.ptr(), rows);
  (result * linear.pull).sum().backward();
  NamedTensors named{{"result", result.detach()},
                     {"weight", linear.layer->weight.grad().clone()},
                     {"bias", linear.layer->bias.grad().clone()}};
  if (of_rows) named.emplace_back("rows", rows.grad());
  return named;
}

/// Calls check(rows, inputs, outputs, whether the gradient of the rows is wanted).
template <typename Check>
void for_each_shape(Check check) {
  for (const std::int64_t rows : {1, 63, 64, 65, 129, 5000}) {
    check(rows, 2, 72, false);  // embedding, top
    check(rows, 2, 1, true);
    check(rows, 8, 13, true);   // embedding, quark/gluon
    check(rows, 72, 72, true);  // decoder
    check(rows, 100, 2, true);  // the decoder's last layer
    check(rows, 256, 10, true);
  }
}

}  // namespace

TEST_CASE("fused nodes: equal to plain in double, to 1e-10") {
  for_each_size([](const NodeCaseOptions& options) {
    const auto nodes = random_nodes(options, at::kDouble);
    const auto expected = run(PlainNodeKernel(), nodes);
    check_same(run(FusedNodeKernel(Isa::kPortable), nodes), expected,
               double_tolerances(expected, options.training));
  });
}

TEST_CASE("fused nodes: float agrees with plain in double up to float's rounding") {
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

TEST_CASE("fused nodes: what is not kept is computed again, bit for bit") {
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

TEST_CASE("fused nodes: the same bits for any number of threads and in every run") {
  for (const auto isa : instruction_sets_here()) {
    for (const std::int64_t rows : {40, 500, 5000}) {
      CAPTURE(name(isa), rows);
      const auto nodes = random_nodes({.rows = rows, .training = true, .ghost = 9}, at::kFloat);
      check_with_threads([&] { return run(FusedNodeKernel(isa), nodes); });
    }
  }
}

TEST_CASE("fused Linear: equal to LibTorch's in double") {
  for_each_shape([](auto rows, auto inputs, auto outputs, bool of_rows) {
    CAPTURE(rows, inputs, outputs);
    const auto linear = random_linear(rows, inputs, outputs, at::kDouble);
    check_same(run(FusedNodeKernel(Isa::kPortable), linear, of_rows),
               run(PlainNodeKernel(), linear, of_rows), 1e-12);
  });
}

TEST_CASE("fused Linear: float agrees with LibTorch's in double") {
  for_each_shape([](auto rows, auto inputs, auto outputs, bool of_rows) {
    const auto linear = random_linear(rows, inputs, outputs, at::kFloat);
    auto same = random_linear(rows, inputs, outputs, at::kFloat);
    same.layer->to(at::kDouble);
    same.rows = linear.rows.to(at::kDouble);
    same.pull = linear.pull.to(at::kDouble);
    const auto expected = run(PlainNodeKernel(), same, of_rows);
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(name(isa), rows, inputs, outputs);
      // The largest element of a tensor is about the typical size of a sum.
      check_same(run(FusedNodeKernel(isa), linear, of_rows), expected,
                 4 * float_rounding(std::max<std::int64_t>(rows, inputs)));
    }
  });
}

TEST_CASE("fused Linear: the same bits for any number of threads") {
  for (const auto isa : instruction_sets_here()) {
    const auto linear = random_linear(5000, 72, 2, at::kFloat);
    check_with_threads([&] { return run(FusedNodeKernel(isa), linear, true); });
  }
}
