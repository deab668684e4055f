#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "golden.h"
#include "kernels/plain_kernel.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("a ghost row counts like its copies, in values, statistics and gradients") {
  torch::manual_seed(5);
  constexpr int kCopies = 7;
  const auto rows = at::randn({6, 3}, at::kDouble);
  const auto copies = at::cat({rows, rows.narrow(0, 5, 1).expand({kCopies - 1, 3})});
  const auto weight = at::randn({6, 3}, at::kDouble);

  torch::nn::BatchNorm1d by_weight(3), by_copies(3);
  by_weight->to(at::kDouble);
  by_copies->to(at::kDouble);
  const auto a = rows.clone().requires_grad_();
  const auto b = copies.clone().requires_grad_();
  const auto ghost = batch_norm_with_ghost(*by_weight, a, kCopies);
  const auto plain = batch_norm(*by_copies, b);
  CHECK(agree(ghost, plain.narrow(0, 0, 6), 1e-13));
  CHECK(agree(by_weight->running_mean, by_copies->running_mean, 1e-14));
  CHECK(agree(by_weight->running_var, by_copies->running_var, 1e-14));
  CHECK(by_weight->num_batches_tracked.item<std::int64_t>() == 1);

  (ghost * weight).sum().backward();
  (plain.narrow(0, 0, 6) * weight).sum().backward();
  const auto& grad = b.grad();
  const auto summed = at::cat({grad.narrow(0, 0, 5), grad.narrow(0, 5, kCopies).sum(0, true)});
  CHECK(agree(a.grad(), summed, 1e-12));
}

TEST_CASE("without rows in training nothing is updated") {
  torch::nn::BatchNorm1d norm(3);
  CHECK(batch_norm(*norm, at::zeros({0, 3})).size(0) == 0);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 0);
  CHECK(at::equal(norm->running_mean, at::zeros({3})));
}
