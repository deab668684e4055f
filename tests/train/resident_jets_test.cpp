// Batches gathered from tables on a device are make_batch's, bit for bit.
#include "model/resident_jets.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>

#include "golden.h"
#include "lorentznet/batch.h"
#include "lorentznet/error.h"
#include "sample.h"
#include "support.h"
#include "train/loader.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

bool identical(const at::Tensor& a, const at::Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  const auto bits = [](const at::Tensor& t) { return t.to(at::kCPU).contiguous().view(at::kLong); };
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && bits(a).equal(bits(b));
}

void check_same(const Batch& found, const Batch& expected, const at::Device& device) {
  CHECK(found.offsets == expected.offsets);
  CHECK(found.jets == expected.jets);
  CHECK(found.padded_rows == expected.padded_rows);
  CHECK(identical(found.p4, expected.p4));
  CHECK(identical(found.scalars, expected.scalars));
  CHECK(identical(found.label, expected.label));
  CHECK(identical(found.weight, expected.weight));
  CHECK(identical(found.n_nodes, expected.n_nodes));
  for (const auto& tensor : {found.p4, found.scalars, found.label, found.n_nodes}) {
    CHECK(tensor.device() == device);
  }
}

/// With each pooling, in training and not, alone and as a part of a step.
void check_batches(const JetSet& set, const Task& task, const at::Device& device) {
  const ResidentJets resident(set, task, device);
  const auto order = shuffled_order(set.num_jets(), 5);
  const auto step = std::span(order).first(9), jets = step.subspan(2, 4);
  for (const auto pooling : {Pooling::kBatch, Pooling::kConstant, Pooling::kJet}) {
    const PoolingRule rule{.pooling = pooling, .n_nodes = 250};
    for (const bool for_training : {false, true}) {
      CAPTURE(task.name, task.n_scalar, static_cast<int>(pooling), for_training);
      check_same(resident.batch(jets, rule, for_training),
                 make_batch(set, jets, task, rule, for_training), device);
      check_same(resident.batch(jets, rule, for_training, step),
                 make_batch(set, jets, task, rule, for_training, step), device);
    }
  }
}

/// Jets with two scalars a constituent, weights and unknown labels.
JetSet own_jets() {
  auto set = sample_jets(top_tagging(), 30);
  for (std::int64_t p = 0; p < set.num_constituents(); ++p) {
    set.scalars.append({.25 * static_cast<double>(p), -1. / static_cast<double>(p + 1)});
  }
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    set.weight.push_back(.1 * static_cast<double>(jet));
    set.label.edit()[static_cast<std::size_t>(jet)] = static_cast<std::int8_t>(jet % 4 - 1);
  }
  return set;
}

void check_tasks(const at::Device& device) {
  check_batches(sample_jets(top_tagging(), 30), top_tagging(), device);
  check_batches(sample_jets(quark_gluon_tagging(), 30), quark_gluon_tagging(), device);
  check_batches(own_jets(), top_tagging_of(2, true), device);
  check_batches(own_jets(), top_tagging_of(2, false), device);
  check_batches(own_jets().slice(7, 12), top_tagging_of(2, true), device);
}

}  // namespace

TEST_CASE("batches from tables are make_batch's, bit for bit") { check_tasks(at::kCPU); }

TEST_CASE("gpu: batches from tables are make_batch's, bit for bit") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  for (const auto& engine : engines) check_tasks(engine.device);
}

TEST_CASE("tables are filled part by part, by several threads") {
  constexpr std::int64_t jets = 3, constituents = 200'000;  // more than two parts of 2^18 in all
  JetSet set;
  set.offsets = {0, constituents, 2 * constituents, 3 * constituents};
  set.label = {0, 1, 0};
  set.p4.resize(4 * jets * constituents);
  set.column.resize(jets * constituents);
  auto p4 = set.p4.edit();
  for (std::size_t k = 0; k < p4.size(); ++k) p4[k] = static_cast<double>(k % 1'000'003);
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  const ResidentJets resident(set, top_tagging(), at::kCPU);
  at::set_num_threads(threads);
  const PoolingRule rule{.pooling = Pooling::kBatch};
  const std::vector<std::int64_t> order{2, 0, 1};
  check_same(resident.batch(order, rule, true), make_batch(set, order, top_tagging(), rule, true),
             at::kCPU);
  CHECK(ResidentJets::bytes(set, top_tagging()) ==
        (jets * constituents + 2) * 6 * 8 + jets * 2 * 8);
}

TEST_CASE("tables refuse what make_batch refuses") {
  const auto set = sample_jets(quark_gluon_tagging(), 5);
  const ResidentJets resident(set, quark_gluon_tagging(), at::kCPU);
  const PoolingRule narrow{.pooling = Pooling::kConstant, .n_nodes = 1};
  CHECK_THROWS_AS(resident.batch(file_order(5), narrow, true), InputError);
  CHECK_NOTHROW(resident.batch(file_order(5), narrow, false));
  CHECK_THROWS(resident.batch({}, narrow, false));
}

TEST_CASE("a loader gathers the same batches from tables, for each rank") {
  const auto set = sample_jets(top_tagging(), 40);
  const ResidentJets resident(set, top_tagging(), at::kCPU);
  const PoolingRule rule{.pooling = Pooling::kBatch};
  for (const bool for_training : {false, true}) {
    for (const std::int64_t rank : {0, 1}) {
      BatchLoader::Options options{.batch_size = 6,
                                   .for_training = for_training,
                                   .first_jet = for_training ? 3 : 0,
                                   .num_workers = 2,
                                   .rank = rank,
                                   .ranks = 2};
      BatchLoader plain(set, top_tagging(), rule, shuffled_order(40, 2), options);
      options.resident = &resident;
      BatchLoader gathered(set, top_tagging(), rule, shuffled_order(40, 2), options);
      while (const auto expected = plain.next()) {
        check_same(gathered.next().value(), *expected, at::kCPU);
      }
      CHECK(!gathered.next());
    }
  }
  const JetSet other = set;
  CHECK_THROWS(BatchLoader(other, top_tagging(), rule, file_order(40), {.resident = &resident}));
}
