// What an embedding program may get wrong: a batch or a set of jets that does not fit is refused,
// with both values, by either kernel.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <functional>

#include "golden.h"
#include "kernels/plain_kernel.h"
#include "lorentznet/error.h"
#include "model/inference.h"
#include "named_tensors.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

/// A wrong change of a batch of three top jets, and what the message must contain.
struct Wrong {
  std::function<void(Batch&)> change;
  std::vector<std::string> texts;
};

std::vector<Wrong> wrong_batches(const Batch& good) {
  const auto nodes = std::to_string(good.offsets.back());
  const auto first = std::to_string(good.offsets[1]);
  return {
      {[](Batch& batch) { batch.offsets.clear(); }, {"offsets"}},
      {[](Batch& batch) { batch.offsets[0] = 1; }, {"offsets begin at 1, not at 0"}},
      {[](Batch& batch) { batch.offsets[2] = batch.offsets[1]; },
       {"jet 1 has no nodes", "offsets " + first + " and " + first}},
      {[](Batch& batch) { batch.offsets[2] = batch.offsets[1] - 1; },
       {"jet 1 has no nodes", "offsets " + first + " and "}},
      {[](Batch& batch) { batch.offsets.back() += 1; },
       {"p4 is [" + nodes + ", 4]", "[" + std::to_string(good.offsets.back() + 1) + ", 4]"}},
      {[](Batch& batch) { batch.p4 = at::Tensor(); }, {"p4 is missing"}},
      {[](Batch& batch) { batch.p4 = batch.p4.narrow(1, 0, 3); }, {"p4 is [" + nodes + ", 3]"}},
      {[](Batch& batch) { batch.p4 = batch.p4.to(at::kLong); }, {"p4", "Long"}},
      {[](Batch& batch) { batch.p4 = batch.p4.to(at::kMeta); }, {"p4 is on meta", "cpu"}},
      {[](Batch& batch) { batch.scalars = batch.scalars.to(at::kMeta); }, {"scalars is on meta"}},
      {[](Batch& batch) { batch.scalars = batch.scalars.narrow(1, 0, 1); },
       {"scalars is [" + nodes + ", 1]", "[" + nodes + ", 2]"}},
      {[](Batch& batch) {
         batch.scalars = at::zeros({batch.offsets.back(), 3}, at::kDouble);
       },
       {"scalars is [" + nodes + ", 3]", "[" + nodes + ", 2]"}},
      {[](Batch& batch) { batch.n_nodes = batch.n_nodes.flatten(); }, {"n_nodes is [3]", "[3, 1]"}},
      {[](Batch& batch) { batch.n_nodes = batch.n_nodes.to(at::kMeta); }, {"n_nodes is on meta"}},
      {[](Batch& batch) { batch.n_nodes = batch.n_nodes.clone(), batch.n_nodes[1] = 0; },
       {"n_nodes of jet 1 is 0"}},
      {[](Batch& batch) { batch.n_nodes = batch.n_nodes.clone(), batch.n_nodes[2] = NAN; },
       {"n_nodes of jet 2 is nan"}},
  };
}

void check_refused(const std::function<void()>& call, const std::vector<std::string>& texts) {
  try {
    call();
    FAIL("not refused: " << texts.front());
  } catch (const InputError& error) {
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    for (const auto& text : texts) CHECK_THAT(message, Contains(text));
  }
}

/// The first two particles of each jet.
JetSet pairs_of(const JetSet& set) {
  JetSet pairs;
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    pairs.p4.append({set.p4.begin() + 4 * set.offsets[jet], 8});
    pairs.species.append({0, 1});
    pairs.column.append({0, 1});
    pairs.label.push_back(set.label[jet]);
    pairs.offsets.push_back(2 * (jet + 1));
  }
  return pairs;
}

Batch batch_of(const JetSet& set, const Task& task, std::vector<std::int64_t> jets,
               const PoolingRule& rule = {}) {
  return make_batch(set, jets, task, rule, false);
}

}  // namespace

TEST_CASE("border: a batch that does not fit the network is refused with both values") {
  const torch::NoGradGuard no_grad;
  const auto good = whole_batch(sample_jets(top_tagging(), 3), top_tagging());
  auto model = small_network(top_tagging());
  model->eval();
  CpuInference inference(named_tensors(*model), 5e-3, Isa::kPortable);
  for (const bool fused : {false, true}) {
    if (fused) model->use_fused_kernel(Isa::kPortable);
    CHECK(model->forward(good).size(0) == 3);
    for (const auto& [change, texts] : wrong_batches(good)) {
      CAPTURE(fused, texts.front());
      Batch batch = good;
      change(batch);
      check_refused([&] { model->forward(batch); }, texts);
      check_refused([&] { model->forward(batch, plain_kernels()); }, texts);
      check_refused([&] { inference.logits(batch); }, texts);
      const torch::AutoGradMode with_grad(true);
      model->train();
      check_refused([&] { model->forward(batch); }, texts);
      model->eval();
    }
  }
}

TEST_CASE("border: a batch of floats is scored alike by both kernels") {
  const torch::NoGradGuard no_grad;
  auto batch = whole_batch(sample_jets(top_tagging(), 3), top_tagging());
  batch.p4 = batch.p4.to(at::kFloat);
  auto model = small_network(top_tagging());
  model->eval();
  const auto expected = model->forward(batch);
  model->use_fused_kernel(Isa::kPortable);
  CHECK(agree(model->forward(batch), expected, 1e-11));
}

TEST_CASE("border: jets that make_batch can't take are refused with both values") {
  const auto& task = quark_gluon_tagging();
  const auto good = pairs_of(sample_jets(task, 5));
  CHECK(batch_of(good, task, {0, 4}).num_jets() == 2);
  CHECK_THROWS_WITH(batch_of(good, task, {0, 5}), Contains("jet 5 of a set of 5 jets"));
  CHECK_THROWS_WITH(batch_of(good, task, {-1}), Contains("jet -1 of a set of 5 jets"));
  const std::vector<std::int64_t> jets{0}, step{0, 6};
  CHECK_THROWS_WITH(make_batch(good, jets, task, {.pooling = Pooling::kBatch}, true, step),
                    Contains("jet 6 of a set of 5 jets"));
  const auto refused = [&](const auto& change, const std::vector<std::string>& texts) {
    JetSet set = good;
    change(set);
    check_refused([&] { batch_of(set, task, {1}); }, texts);
  };
  refused([](JetSet& set) { set.offsets.edit()[2] = 2; }, {"jet 1", "no constituents"});
  refused([](JetSet& set) { set.offsets.edit()[2] = 1; }, {"jet 1", "offsets 2 and 1"});
  refused([](JetSet& set) { set.p4.resize(39); }, {"39", "40"});
  refused([](JetSet& set) { set.label.resize(4); }, {"4 labels", "5 jets"});
  refused([](JetSet& set) { set.column.resize(9); }, {"9 columns", "10 constituents"});
  refused([](JetSet& set) { set.species.resize(9); }, {"9 species", "10 constituents"});
  refused([](JetSet& set) { set.species.resize(0); }, {"0 species", "10 constituents"});
  refused([](JetSet& set) { set.species.edit()[2] = 8; }, {"species 8", "0 to 7"});
  refused([](JetSet& set) { set.weight.resize(4); }, {"4 weights", "5 jets"});
  refused([](JetSet& set) { set.scalars.resize(15); }, {"15 scalars", "10 constituents"});
  check_refused([&] { batch_of(good, task, {0}, {.pooling = Pooling::kConstant}); },
                {"n_nodes 0", "constant"});

  auto own = good;  // 3 scalars a particle, for a task that has one and that of the beams
  own.scalars.resize(30);
  check_refused([&] { batch_of(own, top_tagging(), {0}); }, {"3 scalars", "takes 1"});
  own.offsets.edit()[2] = own.offsets[1];  // with beams a jet always has nodes
  CHECK(batch_of(own, top_tagging_of(3, true), {1}).offsets.back() == 2);
}
