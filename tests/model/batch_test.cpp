#include "lorentznet/batch.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "data/nodes.h"
#include "lorentznet/error.h"
#include "model/frame.h"
#include "train/loader.h"

using namespace lorentznet;

namespace {

/// Three jets of 1, 3 and 2 constituents; the last one has a hole in its columns.
JetSet three_jets(bool species) {
  JetSet set;
  for (int p = 0; p < 6; ++p) {
    set.p4.append({10. + p, 1, 2, 3});
    if (species) set.species.push_back(static_cast<std::int8_t>(p - 1));
  }
  set.offsets = {0, 1, 4, 6};
  set.column = {0, 0, 1, 2, 0, 5};
  set.label = {1, 0, 1};
  set.sources = {{.file = "three", .first_jet = 0, .first_row = 0}};
  return set;
}

const std::vector<std::int64_t> kAll{0, 1, 2};

}  // namespace

TEST_CASE("top: beams come first, with scalars of their own") {
  const auto batch =
      make_batch(three_jets(false), kAll, top_tagging(), {.pooling = Pooling::kJet}, true);
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 3, 8, 12});
  const double root = std::sqrt(2.0);
  for (const auto first : {0, 3, 8}) {
    CHECK(at::equal(batch.p4[first], at::tensor({root, 0., 0., 1.}, at::kDouble)));
    CHECK(at::equal(batch.p4[first + 1], at::tensor({root, 0., 0., -1.}, at::kDouble)));
    CHECK(at::equal(batch.scalars[first], at::tensor({0., std::log(2.)}, at::kDouble)));
  }
  CHECK(batch.p4[2][0].item<double>() == 10);
  CHECK(batch.scalars[2][0].item<double>() ==
        Approx(std::log1p(std::sqrt(100. - 14))).epsilon(1e-15));
  CHECK(batch.scalars[2][1].item<double>() == 0);
  CHECK(at::equal(batch.label, at::tensor({1, 0, 1}, at::kLong)));
}

TEST_CASE("quark/gluon: one-hot species, zeros for an unknown one, no beams") {
  const auto batch =
      make_batch(three_jets(true), kAll, quark_gluon_tagging(), {.pooling = Pooling::kJet}, true);
  CHECK(batch.offsets == std::vector<std::int64_t>{0, 1, 4, 6});
  auto expected = at::zeros({6, 8}, at::kDouble);
  for (int p = 1; p < 6; ++p) expected[p][p - 1] = 1;
  CHECK(at::equal(batch.scalars, expected));
}

TEST_CASE("n_nodes and the padded rows of each pooling") {
  const auto top = three_jets(false);
  const auto batch = make_batch(top, kAll, top_tagging(), {.pooling = Pooling::kBatch}, true);
  // Columns 0, 1, 2 and 5 are occupied; with 2 beams 6 nodes per jet, of which 12 in all are real.
  CHECK(at::equal(batch.n_nodes, at::full({3, 1}, 6., at::kDouble)));
  CHECK(batch.padded_rows == 3 * 6 - 12);
  const std::vector<std::int64_t> two{0, 1};
  const auto smaller = make_batch(top, two, top_tagging(), {.pooling = Pooling::kBatch}, true);
  CHECK(smaller.n_nodes[0].item<double>() == 5);

  const auto own = make_batch(top, kAll, top_tagging(), {.pooling = Pooling::kJet}, true);
  CHECK(at::equal(own.n_nodes.flatten(), at::tensor({3., 5., 4.}, at::kDouble)));
  CHECK(own.padded_rows == 0);

  const PoolingRule constant{.pooling = Pooling::kConstant, .n_nodes = 7};
  const auto fixed = make_batch(top, kAll, top_tagging(), constant, true);
  CHECK(at::equal(fixed.n_nodes, at::full({3, 1}, 7., at::kDouble)));
  CHECK(fixed.padded_rows == 3 * 7 - 12);
}

TEST_CASE("a jet with more nodes than the constant n_nodes is refused, in training only") {
  const PoolingRule rule{.pooling = Pooling::kConstant, .n_nodes = 2};
  const auto set = three_jets(true);
  CHECK_THROWS_WITH(make_batch(set, kAll, quark_gluon_tagging(), rule, true),
                    Catch::Contains("three: jet 1") && Catch::Contains("3 nodes") &&
                        Catch::Contains("n_nodes = 2"));
  CHECK_NOTHROW(make_batch(set, kAll, quark_gluon_tagging(), rule, false));
}

TEST_CASE("a jet's nodes are its constituents and the task's beams") {
  CHECK(num_nodes(three_jets(true), 1, quark_gluon_tagging()) == 3);
  CHECK(num_nodes(three_jets(false), 1, top_tagging()) == 5);
  CHECK_NOTHROW(check_fits(three_jets(false), 1, top_tagging(), 5));
  CHECK_THROWS_AS(check_fits(three_jets(false), 1, top_tagging(), 4), InputError);
}

TEST_CASE("a boost along x moves the beams too, keeps masses and can be undone") {
  const auto batch =
      make_batch(three_jets(false), kAll, top_tagging(), {.pooling = Pooling::kJet}, false);
  const auto boosted = seen_from(batch, {.beta = 0.6});
  CHECK(boosted.p4[0][0].item<double>() == Approx(1.25 * std::sqrt(2.0)).epsilon(1e-15));
  CHECK(boosted.p4[0][1].item<double>() == Approx(0.75 * std::sqrt(2.0)).epsilon(1e-15));
  const auto squares = [](const at::Tensor& p) {
    return 2 * p.select(1, 0).square() - p.square().sum(1);
  };
  CHECK(at::allclose(squares(boosted.p4), squares(batch.p4), 1e-12));
  CHECK(at::allclose(seen_from(boosted, {.beta = -0.6}).p4, batch.p4, 1e-14));
  CHECK(at::equal(boosted.scalars, batch.scalars));
  CHECK_THROWS(seen_from(batch, {.beta = 1}));
}
