// Inference of whole jets by the fused kernel: packed weights, threads, batches.
#include <ATen/ATen.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <thread>

#include "golden.h"
#include "named_tensors.h"
#include "sample.h"
#include "support.h"
#include "tagger/network.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

/// Logits of the packed network.
at::Tensor packed(LorentzNet& model, const Batch& batch) {
  const torch::NoGradGuard no_grad;
  return model->forward(batch);
}

/// Logits layer by layer, which uses the weights themselves.
at::Tensor layer_by_layer(LorentzNet& model, const Batch& batch) {
  const torch::AutoGradMode with_grad(true);
  return model->forward(batch).detach();
}

/// Checks that the packed network has the current weights, unlike the one that gave `before`.
/// \return its logits
at::Tensor check_repacked(LorentzNet& model, const Batch& batch, const at::Tensor& before) {
  const auto scores = packed(model, batch);
  CHECK(agree(scores, layer_by_layer(model, batch), 1e-10));
  CHECK(max_difference(scores, before) > 1e-9);
  return scores;
}

LorentzNet fused_network(const Task& task) {
  auto model = small_network(task);
  model->use_fused_kernel(Isa::kPortable);
  model->eval();
  return model;
}

LorentzNet float_network(Isa isa) {
  auto model = fused_network(top_tagging());
  model->set_type(at::kFloat);
  model->use_fused_kernel(isa);
  return model;
}

void train_a_step(LorentzNet& model, const Batch& batch) {
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-2));
  model->train();
  model->forward(batch).square().sum().backward();
  optimizer.step();
  model->eval();
}

}  // namespace

TEST_CASE("fused inference: a whole jet at once gives the same as layer by layer and as plain") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    auto model = fused_network(*task);
    const auto batch = whole_batch(sample_jets(*task, 6), *task);
    const auto scores = packed(model, batch);
    CHECK(agree(scores, layer_by_layer(model, batch), 1e-12));
    model->use_plain_kernel();
    CHECK(agree(scores, packed(model, batch), 1e-11));
  }
}

TEST_CASE("fused inference: a changed weight changes the scores") {
  const auto& task = quark_gluon_tagging();
  auto model = fused_network(task);
  const auto batch = whole_batch(sample_jets(task, 4), task);
  auto scores = packed(model, batch);
  CHECK(at::equal(packed(model, batch), scores));

  train_a_step(model, batch);
  scores = check_repacked(model, batch, scores);
  const auto state = named_tensors(*model);
  for (const auto& [name, tensor] : state) {
    if (!tensor.is_floating_point() || name.ends_with("phi_h.0.bias")) continue;
    CAPTURE(name);
    const torch::NoGradGuard no_grad;
    tensor.copy_(tensor * 1.1 + 0.01);
    scores = check_repacked(model, batch, scores);
  }
  auto twin = small_network(task);
  load_model_state(*model, model_state(*twin), "twin");
  scores = check_repacked(model, batch, scores);

  model->set_type(at::kFloat);
  const auto rounded = packed(model, batch);
  CHECK(rounded.scalar_type() == at::kFloat);
  CHECK(max_difference(rounded, scores) <= 1e-4);
  model->set_type(at::kDouble);
  CHECK(agree(packed(model, batch), layer_by_layer(model, batch), 1e-12));
}

TEST_CASE("fused inference: weights made in inference mode, which do not count their changes") {
  const torch::InferenceMode inference;
  auto model = fused_network(top_tagging());
  const auto batch = whole_batch(sample_jets(top_tagging(), 2), top_tagging());
  const auto before = model->forward(batch);
  model->parameters()[0].mul_(2);
  CHECK(max_difference(model->forward(batch), before) > 1e-6);
}

TEST_CASE("fused inference: weights that can't be packed don't leave those before in use") {
  const auto batch = whole_batch(sample_jets(top_tagging(), 2), top_tagging());
  for (const auto isa : instruction_sets_here()) {
    if (isa == Isa::kPortable) continue;  // the only one that computes in double
    CAPTURE(name(isa));
    auto model = float_network(isa);
    packed(model, batch);
    model->set_type(at::kDouble);
    for (int call = 0; call < 2; ++call) CHECK_THROWS(packed(model, batch));
  }
}

TEST_CASE("fused inference: several threads at once, just after a weight has changed") {
  const auto batch = whole_batch(sample_jets(top_tagging(), 6), top_tagging());
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    auto model = float_network(isa);
    const auto expected = packed(model, batch);
    {
      const torch::NoGradGuard no_grad;
      for (auto& tensor : model->parameters()) tensor.copy_(tensor.clone());  // packed anew
    }
    std::vector<at::Tensor> scores(4);
    {
      std::vector<std::jthread> threads;
      for (auto& out : scores) threads.emplace_back([&] { out = packed(model, batch); });
    }
    for (const auto& found : scores) CHECK(at::equal(found, expected));
  }
}

TEST_CASE("fused inference: a score is independent of the batch, bit for bit", "[alone]") {
  const auto set = sample_jets(top_tagging(), 100);
  for (const auto isa : instruction_sets_here()) {
    auto model = float_network(isa);
    const auto expected = packed(model, whole_batch(set, top_tagging()));
    for (const std::int64_t size : {1, 32, 100}) {
      CAPTURE(name(isa), size);
      std::vector<at::Tensor> scores;
      for (std::int64_t first = 0; first < set.num_jets(); first += size) {
        const auto count = std::min(size, set.num_jets() - first);
        scores.push_back(packed(model, whole_batch(set.slice(first, count), top_tagging())));
      }
      CHECK(at::equal(at::cat(scores), expected));
    }
  }
}

TEST_CASE("fused inference: threads that share a jet compute its bits") {
  const auto set = sample_jets(top_tagging(), 12);
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    auto model = float_network(isa);
    const auto expected = packed(model, whole_batch(set, top_tagging()));
    check_with_threads([&] {
      std::vector<at::Tensor> scores;
      for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
        scores.push_back(packed(model, whole_batch(set.slice(jet, 1), top_tagging())));
      }
      CHECK(at::equal(at::cat(scores), expected));
      return NamedTensors{{"scores", at::cat(scores)}};
    });
  }
}

TEST_CASE("fused inference: a network packed from its checkpoint alone gives forward's bits",
          "[alone]") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    const auto file = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "logs" / task->name /
                      "pretrained" / "best-val-model.pt";
    const auto state = read_state_dict(file);
    LorentzNet model(LorentzNetOptions{.n_scalar = task->n_scalar, .c_weight = task->c_weight});
    load_model_state(*model, state, file);
    model->eval();
    const auto batch = whole_batch(sample_jets(*task, 20), *task);
    const auto scalars = batch.scalars.to(at::kFloat).contiguous();
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(task->name, name(isa));
      model->use_fused_kernel(isa);
      const auto expected = packed(model, batch);
      const Network<float> network(state, task->c_weight, isa, file);
      for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
        const auto begin = batch.offsets[jet];
        auto logits = at::empty({2}, at::kFloat);
        network.logits({.n = static_cast<int>(batch.offsets[jet + 1] - begin),
                        .x = batch.p4.const_data_ptr<double>() + 4 * begin,
                        .scalars = scalars.const_data_ptr<float>() + task->n_scalar * begin,
                        .n_nodes = batch.n_nodes[jet].item<float>()},
                       logits.mutable_data_ptr<float>());
        CHECK(at::equal(logits, expected[jet]));
      }
    }
  }
}

TEST_CASE("a network names its kernel") {
  LorentzNet network(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  CHECK(network->kernel_name() == "plain");
  for (const auto isa : instruction_sets_here()) {
    network->use_fused_kernel(isa);
    CHECK(network->kernel_name() == "fused " + std::string(name(isa)));
  }
  network->use_plain_kernel();
  CHECK(network->kernel_name() == "plain");
}

TEST_CASE(
    "a kernel that cannot compute the network is an error, and the network keeps its old one") {
  LorentzNet network(
      LorentzNetOptions{.n_hidden = 8, .n_layers = 1, .coordinates = Coordinates::kNetwork});
  CHECK_THROWS_WITH(network->use_fused_kernel(Isa::kPortable),
                    Catch::Contains("coordinates in float"));
  CHECK(network->kernel_name() == "plain");
  LorentzNet wide(LorentzNetOptions{.n_hidden = 257, .n_layers = 1});
  CHECK_THROWS_WITH(wide->use_fused_kernel(Isa::kPortable), Catch::Contains("n_hidden"));
  CHECK(wide->kernel_name() == "plain");

  LorentzNet other(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  for (const auto isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (runs_here(isa)) continue;
    CHECK_THROWS_WITH(other->use_fused_kernel(isa), Catch::Contains("does not run"));
    CHECK(other->kernel_name() == "plain");
  }
}

TEST_CASE("a network of double on AVX is an error in training and in inference") {
  const auto batch = whole_batch(sample_jets(top_tagging(), 1), top_tagging());
  for (const auto isa : instruction_sets_here()) {
    if (isa == Isa::kPortable) continue;
    auto model = small_network(top_tagging());
    model->use_fused_kernel(isa);
    CHECK_THROWS_WITH(model->forward(batch), Catch::Contains("on the portable instruction set"));
    model->eval();
    const torch::NoGradGuard no_grad;
    CHECK_THROWS_WITH(model->forward(batch), Catch::Contains("on the portable instruction set"));
  }
}
