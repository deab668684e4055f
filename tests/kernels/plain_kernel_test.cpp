// The plain kernels: the edge part against the formula, and batch norm.
#include "kernels/plain_kernel.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "edge_case.h"
#include "golden.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr std::int64_t kHidden = 12;

/// Random parameters and running statistics in double.
EdgeParameters random_parameters(bool last_layer) {
  return random_edges({.sizes = {1}, .hidden = kHidden, .last_layer = last_layer, .move = 1},
                      at::kDouble)
      .parameters;
}

NamedTensors named(const EdgeParameters& p) {
  auto state = named_parameters(p);
  state.emplace_back("phi_e.1.running_mean", p.edge_norm->running_mean);
  state.emplace_back("phi_e.1.running_var", p.edge_norm->running_var);
  for (auto& [name, tensor] : state) name = "LGEBs.0." + name;
  return state;
}

}  // namespace

TEST_CASE("the plain kernel computes the paper's formula, edge by edge") {
  const torch::NoGradGuard no_grad;
  const auto batch = whole_batch(sample_jets(top_tagging(), 2), top_tagging());
  const JetGraph graph(batch.offsets, at::kCPU);
  for (const bool last_layer : {false, true}) {
    const auto parameters = random_parameters(last_layer);
    const LGEBState in{.h = at::randn({batch.p4.size(0), kHidden}, at::kDouble),
                       .x = batch.p4 / 100};  // clear of the clamp
    const auto sums = PlainEdgeKernel().forward(parameters, in.h, in.x, graph);
    const auto naive = naive_edges(named(parameters), 0, in, graph);
    CHECK(agree(sums.message, naive.message, 1e-13));
    REQUIRE(sums.translation.defined() == !last_layer);
    if (last_layer) continue;
    REQUIRE(naive.largest_translation < 100);
    CHECK(agree(sums.translation, naive.translation, 1e-13));
  }
}

TEST_CASE("translations are clamped to 100 GeV, edge by edge") {
  const torch::NoGradGuard no_grad;
  auto parameters = random_parameters(false);
  parameters.move_out->weight.mul_(1e6);
  const auto x = at::tensor({3., 0., 0., 1., 1., 1., 0., 1.}, at::kDouble).view({2, 4});
  const auto h = at::randn({2, kHidden}, at::kDouble);
  const auto moved =
      PlainEdgeKernel().forward(parameters, h, x, JetGraph({0, 2}, at::kCPU)).translation;
  CHECK(at::equal(moved.abs(), at::tensor({100., 100., 0., 0.}, at::kDouble).expand({2, 4})));
}

TEST_CASE("graph: all ordered pairs within a jet, by receiver, none between jets") {
  const JetGraph graph({0, 3, 4, 6}, at::kCPU);
  CHECK(graph.num_jets() == 3);
  CHECK(graph.num_nodes() == 6);
  CHECK(at::equal(graph.receiver(), at::tensor({0, 0, 1, 1, 2, 2, 4, 5}, at::kLong)));
  CHECK(at::equal(graph.sender(), at::tensor({1, 2, 0, 2, 0, 1, 5, 4}, at::kLong)));
  CHECK(at::equal(graph.jet(), at::tensor({0, 0, 0, 1, 2, 2}, at::kLong)));
  CHECK(at::equal(graph.degree().flatten(), at::tensor({2., 2., 2., 1., 1., 1.}, at::kDouble)));
}

TEST_CASE("a batch without edges does not change the edges' statistics") {
  auto set = sample_jets(quark_gluon_tagging(), 2);
  JetSet single;
  for (std::int64_t jet = 0; jet < 2; ++jet) {
    single.p4.append({set.p4.begin() + 4 * set.offsets[jet], 4});
    single.species.push_back(0);
    single.column.push_back(0);
    single.label.push_back(1);
    single.offsets.push_back(jet + 1);
  }
  auto model = small_network(quark_gluon_tagging());
  model->train();
  const auto before = named_tensors(*model);
  std::vector<at::Tensor> copies;
  for (const auto& [name, tensor] : before) copies.push_back(tensor.clone());
  const auto logits = model->forward(whole_batch(single, quark_gluon_tagging()));
  CHECK(at::isfinite(logits).all().item<bool>());
  for (std::size_t k = 0; k < before.size(); ++k) {
    const auto& name = before[k].first;
    CAPTURE(name);
    const bool statistic =
        name.find("running") != std::string::npos || name.find("num_batches") != std::string::npos;
    const bool of_nodes = name.find("phi_h") != std::string::npos;
    CHECK(at::equal(before[k].second, copies[k]) == !(statistic && of_nodes));
  }
}

TEST_CASE("a ghost row counts like copies of it in values, statistics and gradients") {
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

TEST_CASE("batch norm updates nothing without rows") {
  torch::nn::BatchNorm1d norm(3);
  CHECK(batch_norm(*norm, at::zeros({0, 3})).size(0) == 0);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 0);
  CHECK(at::equal(norm->running_mean, at::zeros({3})));
}
