// The published checkpoints, and training steps of a small network, against values of the Python
// program in float64.
#include "golden.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <numeric>

#include "lorentznet/checkpoint.h"
#include "model/lgeb.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

LorentzNet published_model(const Golden& golden) {
  const auto file = *reference_dir() / golden.task().name / "best-val-model.pt";
  LorentzNet model(
      LorentzNetOptions{.n_scalar = golden.task().n_scalar, .c_weight = golden.task().c_weight});
  load_model_state(*model, read_state_dict(file), file);
  model->eval();
  return model;
}

/// Calls check for the golden values of each published checkpoint; skips the test without any.
void for_each_published(const std::function<void(const Golden&)>& check) {
  const auto files = golden_files("_eval.npz");
  if (files.empty()) return skip("no reference folder with published checkpoints");
  const torch::NoGradGuard no_grad;
  for (const auto& file : files) {
    CAPTURE(file);
    check(Golden(file));
  }
}

void check_layers(const Golden& golden, const std::vector<Engine>& engines) {
  const auto batch = golden_batch(golden);
  const auto rows = golden.node_rows();
  const auto at_nodes = [&](const at::Tensor& padded) {
    return padded.reshape({-1, padded.size(-1)}).index_select(0, rows);
  };
  REQUIRE(agree(batch.p4, at_nodes(golden.tensor("p4")), 1e-14));
  REQUIRE(agree(batch.scalars, at_nodes(golden.tensor("scalars")), 1e-15));

  auto model = published_model(golden);
  model->set_type(at::kDouble);
  const auto h_layers = golden.tensor("h_layers");
  const auto x_layers = golden.tensor("x_layers");
  for (const auto& engine : engines) {
    CAPTURE(use_engine(model, engine));
    const auto there = batch.to(engine.device);
    const auto states =
        model->states(there, JetGraph(there.offsets, engine.device), kernels_of(engine));
    REQUIRE(states.size() == static_cast<std::size_t>(h_layers.size(0)) + 1);
    for (std::int64_t layer = 0; layer < h_layers.size(0); ++layer) {
      CAPTURE(layer);
      const auto& state = states[static_cast<std::size_t>(layer) + 1];
      CHECK(agree(state.h, at_nodes(h_layers[layer]), 1e-10));
      CHECK(agree(state.x, at_nodes(x_layers[layer]), 1e-10));
    }
    CHECK(agree(model->forward(there), golden.tensor("logits_f64"), 1e-10));
  }
}

void check_float(const Golden& golden, const std::vector<Engine>& engines) {
  auto model = published_model(golden);
  const auto batch = golden_batch(golden);
  for (const auto& engine : engines) {
    CAPTURE(use_engine(model, engine));
    const auto logits = model->forward(batch.to(engine.device));
    REQUIRE(logits.scalar_type() == at::kFloat);
    CHECK(max_difference(logits, golden.tensor("logits_f64")) <= 1e-4);
  }
}

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

/// Six steps, the first in every detail.
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

/// FNV-1a of a float tensor's bytes.
std::uint64_t checksum(const at::Tensor& values) {
  const auto* const bytes = static_cast<const unsigned char*>(values.const_data_ptr());
  std::uint64_t sum = 0xcbf29ce484222325;
  for (std::size_t k = 0; k < values.nbytes(); ++k) sum = (sum ^ bytes[k]) * 0x100000001b3;
  return sum;
}

/// Logits of the shipped network for the jets of a file of golden values.
at::Tensor shipped_logits(const Golden& golden, Isa isa) {
  const torch::NoGradGuard no_grad;
  const auto& task = golden.task();
  const auto file = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "logs" / task.name /
                    "pretrained" / "best-val-model.pt";
  LorentzNet model(LorentzNetOptions{.n_scalar = task.n_scalar, .c_weight = task.c_weight});
  load_model_state(*model, read_state_dict(file), file);
  model->eval();
  model->use_fused_kernel(isa);
  auto batch = golden_batch(golden);
  const auto at_nodes = [&](const at::Tensor& padded) {
    return padded.reshape({-1, padded.size(-1)}).index_select(0, golden.node_rows());
  };
  // Not decoded here: libm's hyperbolic functions may differ from machine to machine.
  batch.p4 = at_nodes(golden.tensor("p4"));
  batch.scalars = at_nodes(golden.tensor("scalars"));
  return model->forward(batch);
}

}  // namespace

TEST_CASE("golden: the shipped networks' logits have the same bits on every machine", "[alone]") {
  const std::map<std::string, std::uint64_t> expected{{"top", 0xf51e1a23f84b129e},
                                                      {"qg", 0x7706d12910991222}};
  for (const auto& [task, sum] : expected) {
    const auto folder = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "tests" / "data";
    const Golden golden(folder / (task + "_train.npz"));
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(task, name(isa));
      CHECK(checksum(shipped_logits(golden, isa)) == sum);
    }
  }
}

TEST_CASE("golden: published checkpoints, every layer and the logits in double", "[alone]") {
  for_each_published([](const auto& golden) { check_layers(golden, cpu_engines(at::kDouble)); });
}

TEST_CASE("golden: published checkpoints, logits of the float network", "[alone]") {
  for_each_published([](const auto& golden) { check_float(golden, cpu_engines(at::kFloat)); });
}

TEST_CASE("gpu: golden: published checkpoints") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  for_each_published([&](const auto& golden) { check_layers(golden, engines); });
  for_each_published([&](const auto& golden) { check_float(golden, gpu_inference_engines()); });
}

TEST_CASE("gpu: golden: a training step by the CUDA kernels") {
  const auto engines = gpu_inference_engines();
  if (engines.size() < 2) return skip("no GPU, or a build without CUDA kernels");
  for (const auto& file : golden_files("_train.npz")) {
    CAPTURE(file);
    const Golden golden(file);
    auto model = initial_model(golden, file);
    model->set_type(at::kFloat);
    CHECK(use_engine(model, engines.back()) == "fused CUDA on cuda:0");
    check_float_step(model, golden);
  }
}

TEST_CASE("gpu: inference: a jet has the same logits in any batch, near the CPU's") {
  const auto engines = gpu_inference_engines();
  if (engines.size() < 2) return skip("no GPU, or a build without CUDA kernels");
  const torch::NoGradGuard no_grad;
  const auto jets = sample_jets(quark_gluon_tagging(), 40);
  LorentzNet model(LorentzNetOptions{.n_scalar = 8, .n_hidden = 24, .n_layers = 3});
  model->eval();
  const PoolingRule rule{.pooling = Pooling::kJet};
  const auto batch = [&](std::int64_t first, std::int64_t count) {
    std::vector<std::int64_t> of(static_cast<std::size_t>(count));
    std::iota(of.begin(), of.end(), first);
    return make_batch(jets, of, quark_gluon_tagging(), rule, false);
  };
  const auto expected = model->forward(batch(0, 40));
  use_engine(model, engines.back());
  const auto device = engines.back().device;
  const auto logits = model->forward(batch(0, 40).to(device));
  CHECK(max_difference(logits, expected) <= 1e-5);
  for (const std::int64_t first : {0, 7, 39}) {
    CHECK(at::equal(model->forward(batch(first, 1).to(device)), logits.narrow(0, first, 1)));
  }
}

TEST_CASE("golden: gradients, a step of AdamW, running statistics and losses in double",
          "[alone]") {
  check_training(cpu_engines(at::kDouble));
}

TEST_CASE("gpu: golden: gradients, a step of AdamW, running statistics and losses in double") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  check_training(engines);
}
