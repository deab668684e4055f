// In double and without clamped translations the logits are Lorentz-invariant and do not depend on
// the order of the particles.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "edge_case.h"
#include "golden.h"
#include "kernels/plain_kernel.h"
#include "model/frame.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr double kTolerance = 1e-9;
constexpr std::int64_t kJets = 4;

const Task& task_of(bool top) { return top ? top_tagging() : quark_gluon_tagging(); }

/// Invariance holds only if no translation is clamped, and means something only if coordinates
/// move.
void require_clear_of_clamp(LorentzNet& model, const Batch& batch) {
  const JetGraph graph(batch.offsets, at::kCPU);
  const auto states = model->states(batch, graph, plain_kernels());
  for (int layer = 0; layer < model->options().n_layers; ++layer) {
    const auto edges =
        naive_edges(named_tensors(*model), layer, states[static_cast<std::size_t>(layer)], graph);
    REQUIRE(edges.largest_translation < 100);
  }
  REQUIRE(max_difference(states.front().x, states.back().x) > 1e-4);
}

Batch with_momenta(const Batch& batch, const at::Tensor& p4) {
  Batch changed = batch;
  changed.p4 = p4;
  return changed;
}

/// A random rotation of space as a 4 x 4 matrix.
at::Tensor rotation(std::uint64_t seed) {
  torch::manual_seed(seed);
  const auto [q, r] = at::linalg_qr(at::randn({3, 3}, at::kDouble));
  auto matrix = at::eye(4, at::kDouble);
  matrix.narrow(0, 1, 3).narrow(1, 1, 3).copy_(q * at::linalg_det(q));
  return matrix;
}

/// A boost along a direction, as a 4 x 4 matrix: rotation to x, boost, rotation back.
at::Tensor boost(double beta, std::uint64_t seed) {
  const double gamma = 1 / std::sqrt(1 - beta * beta);
  auto along_x = at::eye(4, at::kDouble);
  along_x[0][0] = along_x[1][1] = gamma;
  along_x[0][1] = along_x[1][0] = gamma * beta;
  const auto turn = rotation(seed);
  return turn.t().mm(along_x).mm(turn);
}

}  // namespace

TEST_CASE("rotations and boosts leave the logits unchanged", "[alone]") {
  const torch::NoGradGuard no_grad;
  for (const bool top : {true, false}) {
    CAPTURE(top);
    auto model = small_network(task_of(top));
    model->eval();
    const auto batch = whole_batch(sample_jets(task_of(top), kJets), task_of(top));
    require_clear_of_clamp(model, batch);
    const auto logits = model->forward(batch);
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      const auto rotated = with_momenta(batch, batch.p4.mm(rotation(seed).t()));
      CHECK(max_difference(model->forward(rotated), logits) <= kTolerance);
      for (const double beta : {0.1, 0.5, 0.9}) {
        const auto boosted = with_momenta(batch, batch.p4.mm(boost(beta, seed).t()));
        CHECK(max_difference(model->forward(boosted), logits) <= kTolerance);
      }
    }
    for (const double beta : {-0.9, 0.3, 0.9}) {
      CHECK(max_difference(model->forward(seen_from(batch, {.beta = beta})), logits) <= kTolerance);
    }
    // The test can fail: scaling is no Lorentz transformation.
    const auto scaled = with_momenta(batch, batch.p4 * 1.01);
    CHECK(max_difference(model->forward(scaled), logits) > 1e-6);
  }
}

TEST_CASE("the order of a jet's particles does not matter") {
  const torch::NoGradGuard no_grad;
  for (const bool top : {true, false}) {
    auto model = small_network(task_of(top));
    model->eval();
    const auto batch = whole_batch(sample_jets(task_of(top), kJets), task_of(top));
    std::vector<std::int64_t> order(static_cast<std::size_t>(batch.p4.size(0)));
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 engine(3);
    for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
      std::shuffle(order.begin() + batch.offsets[jet], order.begin() + batch.offsets[jet + 1],
                   engine);
    }
    Batch shuffled = batch;
    shuffled.p4 = batch.p4.index_select(0, at::tensor(order, at::kLong));
    shuffled.scalars = batch.scalars.index_select(0, at::tensor(order, at::kLong));
    REQUIRE(max_difference(shuffled.p4, batch.p4) > 1);
    CHECK(max_difference(model->forward(shuffled), model->forward(batch)) <= kTolerance);
  }
}

TEST_CASE("jets of a batch do not influence each other in evaluation") {
  const torch::NoGradGuard no_grad;
  auto model = small_network(quark_gluon_tagging());
  model->eval();
  const auto set = sample_jets(quark_gluon_tagging(), 6);
  const auto together = model->forward(whole_batch(set, quark_gluon_tagging()));
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    const auto alone = model->forward(whole_batch(set.slice(jet, 1), quark_gluon_tagging()));
    CHECK(max_difference(alone[0], together[jet]) <= 1e-12);
  }
}
