// The fused kernel's Linear layers outside the LGEBs against LibTorch's.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "kernels/fused_kernel.h"
#include "named_tensors.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

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

/// The result and the gradients, of the rows if asked for.
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

/// Calls check(rows, inputs, outputs, whether the rows' gradient is asked for).
template <typename Check>
void for_each_shape(Check check) {
  for (const std::int64_t rows : {1, 47, 48, 49, 97, 5000}) {
    check(rows, 2, 72, false);  // embedding, top
    check(rows, 8, 13, true);   // embedding, quark/gluon
    check(rows, 72, 72, true);  // decoder
    check(rows, 100, 2, true);  // decoder's last
    check(rows, 256, 10, true);
  }
}

}  // namespace

TEST_CASE("fused Linear: in double as LibTorch's") {
  for_each_shape([](auto rows, auto inputs, auto outputs, bool of_rows) {
    CAPTURE(rows, inputs, outputs);
    const auto linear = random_linear(rows, inputs, outputs, at::kDouble);
    check_same(run(FusedNodeKernel(Isa::kPortable), linear, of_rows),
               run(PlainNodeKernel(), linear, of_rows), 1e-12);
  });
}

TEST_CASE("fused Linear: in float as LibTorch's in double") {
  for_each_shape([](auto rows, auto inputs, auto outputs, bool of_rows) {
    const auto linear = random_linear(rows, inputs, outputs, at::kFloat);
    auto same = random_linear(rows, inputs, outputs, at::kFloat);
    same.layer->to(at::kDouble);
    same.rows = linear.rows.to(at::kDouble);
    same.pull = linear.pull.to(at::kDouble);
    const auto expected = run(PlainNodeKernel(), same, of_rows);
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(name(isa), rows, inputs, outputs);
      // The tensor's largest element is about a sum's typical size.
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

TEST_CASE("fused Linear: gradients of few inputs are refused, not left out") {
  const auto linear = random_linear(3, 2, 8, at::kFloat);
  CHECK_THROWS_WITH(run(FusedNodeKernel(Isa::kPortable), linear, true),
                    Catch::Contains("fewer than 8 inputs"));
}
