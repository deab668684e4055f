// Training steps of a small network against the Python program's values in float64.
#include <ATen/ops/cross_entropy_loss.h>
#include <torch/optim/adamw.h>

#include <catch2/catch.hpp>
#include <map>

#include "golden.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

LorentzNet initial_model(const Golden& golden, const std::filesystem::path& file) {
  const auto init = golden.state("init/");
  std::int64_t layers = 0, hidden = 0;
  for (const auto& [name, tensor] : init) {
    if (name == "embedding.bias") hidden = tensor.numel();
    if (name.ends_with("phi_m.0.bias")) ++layers;
  }
  LorentzNet model(LorentzNetOptions{.n_scalar = golden.task().n_scalar,
                                     .n_hidden = hidden,
                                     .n_layers = layers,
                                     .c_weight = golden.task().c_weight,
                                     .dropout = 0});
  model->set_type(at::kDouble);
  load_model_state(*model, arrays_of(init), file);
  return model;
}

/// Its gradient is zero up to rounding, since a BatchNorm follows.
bool stands_before_batch_norm(const std::string& name) { return name.ends_with("phi_h.0.bias"); }

void check_gradients(LorentzNet& model, const Golden& golden) {
  const auto parameters = model->named_parameters();
  const auto expected = golden.state("grad/");
  REQUIRE(expected.size() == parameters.size());
  for (const auto& [name, gradient] : expected) {
    CAPTURE(name, max_difference(parameters[name].grad(), gradient));
    if (stands_before_batch_norm(name)) {
      CHECK(max_difference(parameters[name].grad(), gradient) <= 1e-10);
    } else {
      CHECK(agree(parameters[name].grad(), gradient, 1e-10));
    }
  }
}

void check_state(LorentzNet& model, const Golden& golden) {
  const auto found = named_tensors(*model);
  const std::map<std::string, at::Tensor> by_name(found.begin(), found.end());
  const auto expected = golden.state("after_step1/");
  REQUIRE(expected.size() == by_name.size());
  for (const auto& [name, tensor] : expected) {
    CAPTURE(name, max_difference(by_name.at(name), tensor));
    if (stands_before_batch_norm(name)) {
      CHECK(max_difference(by_name.at(name), tensor) <= 1e-10);
    } else {
      CHECK(agree(by_name.at(name), tensor, 1e-10));
    }
  }
}

/// Six steps, the first of them in every detail.
void check_steps(LorentzNet& model, const Golden& golden) {
  const auto batch = golden_batch(golden).to(model->parameters().front().device());
  torch::optim::AdamW optimizer(model->parameters(),
                                torch::optim::AdamWOptions(1e-3).weight_decay(1e-2));
  const auto losses = golden.tensor("losses");
  for (std::int64_t step = 0; step < losses.numel(); ++step) {
    CAPTURE(step);
    optimizer.zero_grad();
    const auto logits = model->forward(batch);
    const auto loss = at::cross_entropy_loss(logits, batch.label);
    loss.backward();
    CHECK(std::abs(loss.item<double>() - losses[step].item<double>()) <= 1e-10);
    if (step == 0) {
      CHECK(agree(logits, golden.tensor("logits_step0"), 1e-10));
      check_gradients(model, golden);
    }
    optimizer.step();
    if (step == 0) check_state(model, golden);
  }
}

void check_training(const std::vector<Engine>& engines) {
  const auto files = golden_files("_train.npz");
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    const Golden golden(file);
    for (const auto& engine : engines) {
      auto model = initial_model(golden, file);
      CAPTURE(file, use_engine(model, engine));
      check_steps(model, golden);
    }
  }
}

}  // namespace

TEST_CASE("golden: gradients, a step of AdamW, running statistics and losses in double") {
  check_training(cpu_engines(at::kDouble));
}

TEST_CASE("gpu: golden: gradients, a step of AdamW, running statistics and losses in double") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  check_training(engines);
}
