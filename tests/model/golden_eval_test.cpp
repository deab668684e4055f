// The published checkpoints against the Python program's values in float64.
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <functional>

#include "golden.h"
#include "lorentznet/checkpoint.h"
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

/// Checks each published checkpoint against its golden values; skipped where there are none.
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
    const auto states = model->states(there);
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

}  // namespace

TEST_CASE("golden: published checkpoints, every layer and the logits in double") {
  for_each_published([](const auto& golden) { check_layers(golden, cpu_engines(at::kDouble)); });
}

TEST_CASE("golden: published checkpoints, logits of the float network") {
  for_each_published([](const auto& golden) { check_float(golden, cpu_engines(at::kFloat)); });
}

TEST_CASE("gpu: golden: published checkpoints") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  for_each_published([&](const auto& golden) { check_layers(golden, engines); });
  for_each_published([&](const auto& golden) { check_float(golden, engines); });
}
