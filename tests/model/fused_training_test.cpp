// The fused kernels in a network: gradients against the definition of a gradient, and the same bits
// for any number of threads.
#include <ATen/ATen.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "golden.h"
#include "named_tensors.h"
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
  // Losses are about 1 and known to 1e-16; the error of second order in the step is negligible.
  const double tolerance = 1e-8 + 1e-6 * terms.abs().sum().item<double>();
  CAPTURE(expected, tolerance);
  CHECK(std::abs(terms.sum().item<double>() - expected) <= tolerance);
}

struct Example {
  const Task& task;
  Isa isa;
  Batch batch;
};

/// Calls check(example) for both tasks and every instruction set, the best of them with 40 jets.
template <typename Check>
void for_each_example(Check check) {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(task->name, name(isa));
      const std::int64_t jets = isa == instruction_sets_here().back() ? 40 : 8;
      const PoolingRule rule{.pooling = Pooling::kConstant, .n_nodes = 200};
      check(Example{*task, isa,
                    make_batch(sample_jets(*task, jets), file_order(jets), *task, rule,
                               /*for_training=*/true)});
    }
  }
}

LorentzNet network_of(const Example& example) {
  torch::manual_seed(8);
  LorentzNet model(LorentzNetOptions{.n_scalar = example.task.n_scalar,
                                     .n_hidden = 24,
                                     .n_layers = 3,
                                     .c_weight = example.task.c_weight});
  model->use_fused_kernel(example.isa);
  return model;
}

/// Two training steps: all their results, and the network's state.
NamedTensors train(const Example& example) {
  auto model = network_of(example);
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-3));
  NamedTensors result;
  for (int step = 0; step < 2; ++step) {
    optimizer.zero_grad();
    const auto logits = model->forward(example.batch);
    const auto loss = at::cross_entropy_loss(logits, example.batch.label);
    loss.backward();
    result.emplace_back("logits", logits.detach());
    result.emplace_back("loss", loss.detach());
    for (const auto& parameter : model->named_parameters()) {
      result.emplace_back("gradient of " + parameter.key(), parameter.value().grad().clone());
    }
    optimizer.step();
  }
  for (const auto& [name, tensor] : named_tensors(*model)) result.emplace_back(name, tensor);
  return result;
}

NamedTensors score(const Example& example) {
  const torch::NoGradGuard no_grad;
  auto model = network_of(example);
  model->eval();
  return {{"scores", model->forward(example.batch)}};
}

}  // namespace

TEST_CASE("fused gradients are central differences of the loss, in training and frozen",
          "[alone]") {
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
      // Small units: a step changes products of momenta by little on the scale of psi.
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

TEST_CASE("fused inference: the same bits for any number of threads and in every run") {
  for_each_example(
      [](const Example& example) { check_with_threads([&] { return score(example); }); });
}

TEST_CASE("fused training: the same bits for any number of threads and in every run", "[alone]") {
  for_each_example(
      [](const Example& example) { check_with_threads([&] { return train(example); }); });
}
