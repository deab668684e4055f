// The fused kernels' gradients against the definition of a gradient.
#include <ATen/ATen.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "golden.h"
#include "sample.h"
#include "train/loader.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr double kStep = 1e-7;

double loss_of(LorentzNet& model, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  return at::cross_entropy_loss(model->forward(batch), batch.label).item<double>();
}

/// Checks dL/d(tensor), along a random direction, against the central difference of the loss.
void check_gradient(LorentzNet& model, const Batch& batch, at::Tensor tensor) {
  const auto gradient = tensor.grad();
  const auto direction = at::randn_like(tensor);
  tensor = tensor.detach();  // the same memory
  tensor.add_(direction, kStep);
  const double above = loss_of(model, batch);
  tensor.sub_(direction, 2 * kStep);
  const double below = loss_of(model, batch);
  tensor.add_(direction, kStep);

  const double expected = (above - below) / (2 * kStep);
  const auto terms = gradient * direction;
  // The difference of two losses of about 1 is known to 1e-16; in the step's square nothing is
  // left.
  const double tolerance = 1e-8 + 1e-6 * terms.abs().sum().item<double>();
  CAPTURE(expected, tolerance);
  CHECK(std::abs(terms.sum().item<double>() - expected) <= tolerance);
}

}  // namespace

TEST_CASE("fused gradients are central differences of the loss, in training and frozen") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    const auto set = sample_jets(*task, 4);
    auto batch =
        make_batch(set, file_order(4), *task, {.pooling = Pooling::kConstant, .n_nodes = 200},
                   /*for_training=*/true);
    const auto momenta = batch.p4 / 100;
    for (const bool training : {true, false}) {
      CAPTURE(task->name, training);
      auto model = small_network(*task);
      model->use_fused_kernel(Isa::kPortable);
      model->train(training);
      // In small units, so that no product of momenta moves by more than a fraction of psi's unit.
      batch.p4 = momenta.clone().requires_grad_();
      at::cross_entropy_loss(model->forward(batch), batch.label).backward();
      torch::manual_seed(6);
      for (auto& parameter : model->named_parameters()) {
        CAPTURE(parameter.key());
        check_gradient(model, batch, parameter.value());
      }
      CHECK(batch.p4.grad().abs().max().item<double>() > 0);
      check_gradient(model, batch, batch.p4);
    }
  }
}
