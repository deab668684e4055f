// The fused kernels give the same bits for any number of threads, and run after run.
#include <ATen/ATen.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "named_tensors.h"
#include "sample.h"
#include "train/loader.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

struct Example {
  const Task& task;
  Isa isa;
  Batch batch;
};

/// Calls check(example) for both tasks and every instruction set: the best of them takes 40 jets.
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

/// Two steps of training: all that comes out, and the network's state.
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

TEST_CASE("fused inference: the same bits for any number of threads, and run after run") {
  for_each_example(
      [](const Example& example) { check_with_threads([&] { return score(example); }); });
}

TEST_CASE("fused training: the same bits for any number of threads, and run after run") {
  for_each_example(
      [](const Example& example) { check_with_threads([&] { return train(example); }); });
}
