// Whole networks, from jets to logits.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "device_orders.h"
#include "engine/cuda/inference_of.h"
#include "random_network.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

using test::Jet;

/// The logits of jets in one batch, in order.
template <typename Op, int H>
std::vector<float> logits_of(const Network<float>& network, const std::vector<Jet>& jets) {
  std::vector<int> offsets{0};
  std::vector<double> momenta;
  std::vector<float> scalars, n_nodes;
  for (const auto& jet : jets) {
    offsets.push_back(offsets.back() + jet.n);
    momenta.insert(momenta.end(), jet.x.begin(), jet.x.end());
    for (const double value : jet.scalars) scalars.push_back(static_cast<float>(value));
    n_nodes.push_back(static_cast<float>(jet.n_nodes));
  }
  const DeviceArray<int> on_offsets(offsets);
  const DeviceArray<double> on_momenta(momenta);
  const DeviceArray<float> on_scalars(scalars), on_n_nodes(n_nodes);
  DeviceArray<float> logits(jets.size() * static_cast<std::size_t>(network.shape().classes));
  InferenceOf<Op, H>(network.packed())
      .run({.host_offsets = offsets,
            .offsets = on_offsets.get(),
            .momenta = on_momenta.get(),
            .scalars = on_scalars.get(),
            .n_nodes = on_n_nodes.get(),
            .logits = logits.get()});
  return logits.download();
}

/// The same from the CPU's engine in double.
std::vector<double> expected_logits(const StateDict& state, double c_weight,
                                    const std::vector<Jet>& jets) {
  const Network<double> network(state, c_weight, Isa::kPortable, "the network");
  const auto classes = static_cast<std::size_t>(network.shape().classes);
  std::vector<double> logits(jets.size() * classes);
  for (std::size_t k = 0; k < jets.size(); ++k) {
    network.logits({.n = jets[k].n,
                    .x = jets[k].x.data(),
                    .scalars = jets[k].scalars.data(),
                    .n_nodes = jets[k].n_nodes},
                   &logits[k * classes]);
  }
  return logits;
}

double largest(const std::vector<double>& values) {
  double size = 0;
  for (const double value : values) size = std::max(size, std::abs(value));
  return size;
}

std::vector<Jet> jets_of(const std::vector<int>& sizes, std::int64_t scalars) {
  std::vector<Jet> jets;
  for (const int n : sizes) jets.push_back(test::random_jet(n, scalars, static_cast<unsigned>(n)));
  return jets;
}

constexpr double kCWeight = 5e-3;

/// Errors relative to the largest logit.
template <typename Op, int H>
void check_network(const NetworkShape& shape, const std::vector<int>& sizes, double tolerance) {
  const auto state = test::random_state(shape);
  const auto jets = jets_of(sizes, shape.scalars);
  const Network<float> network(state, kCWeight, Isa::kPortable, "the network");
  const auto expected = expected_logits(state, kCWeight, jets);
  const auto found = logits_of<Op, H>(network, jets);
  CAPTURE(H, shape.scalars, shape.layers, tolerance);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CAPTURE(k, found[k], expected[k]);
    CHECK(std::abs(found[k] - expected[k]) <= tolerance * largest(expected));
  }
}

template <int H>
void check_width(std::int64_t scalars, std::int64_t classes) {
  if constexpr (is_tested(H)) {
    const NetworkShape shape{.scalars = scalars, .hidden = H, .classes = classes, .layers = 3};
    const std::vector<int> sizes{1, 2, 3, 17, 9};
    with_exact([&]<typename Op>() { check_network<Op, H>(shape, sizes, 1e-5); });
    check_network<prim::F16x3, H>(shape, sizes, 1e-5);
    check_network<prim::F16, H>(shape, sizes, 2e-2);
  }
}

}  // namespace

TEST_CASE("inference: networks of every width give the CPU's logits") {
  check_width<16>(1, 2);
  check_width<24>(8, 3);
  check_width<32>(2, 2);
  check_width<48>(64, 2);
  check_width<72>(8, 2);
  check_width<96>(3, 5);
  check_width<128>(2, 2);
}

TEST_CASE("inference: networks of one layer, and of six with the published width") {
  check_network<prim::F16x3, 16>({.scalars = 2, .hidden = 16, .classes = 2, .layers = 1}, {1, 6},
                                 1e-5);
  check_network<prim::F16x3, 72>({.scalars = 2, .hidden = 72, .classes = 2, .layers = 6},
                                 {30, 1, 2}, 2e-5);
}

TEST_CASE("inference: a jet has the same logits in any batch and order of threads") {
  const NetworkShape shape{.scalars = 2, .hidden = 24, .classes = 2, .layers = 3};
  const Network<float> network(test::random_state(shape), kCWeight, Isa::kPortable, "the network");
  const auto expected = logits_of<prim::F16x3, 24>(network, jets_of({33, 1, 20}, 2));
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto found = logits_of<prim::F16x3, 24>(network, jets_of({20, 17, 2, 33}, 2));
    CHECK(std::equal(found.begin(), found.begin() + 2, expected.begin() + 4));
    CHECK(std::equal(found.begin() + 6, found.begin() + 8, expected.begin()));
  });
}

TEST_CASE("inference: a network used for batches of several sizes") {
  const NetworkShape shape{.scalars = 2, .hidden = 16, .classes = 2, .layers = 2};
  const auto before = prim::launches();
  check_network<prim::F16x3, 16>(shape, {3}, 1e-5);
  CHECK(prim::launches() - before == 2 * shape.layers + 2);
}

}  // namespace lorentznet::cuda
