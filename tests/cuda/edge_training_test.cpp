#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "cuda_primitives.h"
#include "device_orders.h"
#include "edge_on_device.h"
#include "engine/cuda/edge_weights.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

template <typename Op, int H, bool kMoves>
void check_forward(const std::vector<int>& sizes, double rms) {
  CAPTURE(H, kMoves, rms, sizes);
  const EdgeTrainingLayer layer(H, kMoves, 5);
  const JetsOfSizes jets(sizes, H);
  const Pulls pulls(jets);
  const auto expected =
      edge_training_reference(layer, jets, pulls.message, pulls.translation, rounding_of<Op>());
  const EdgeLayerOnDevice<Op, H> on_device(layer);
  EdgeBatchOnDevice<Op, H, kMoves> batch(on_device, jets);
  batch.forward();
  CHECK(relative_rms(batch.message.download(), expected.message) <= rms);
  if (!kMoves) return;
  CHECK(relative_rms(batch.translation.download(), expected.translation) <= 8 * rms);
  auto phi = batch.phi.download();
  int diagonal = 0;
  for (int i = 0; i < jets.nodes(); ++i) {
    const int2 jet = jets.span[i];
    const int n = jet.y - jet.x, at = first_pairs(jets.offsets)[i] + (i - jet.x) * (n + 1);
    if (std::isnan(phi[at])) ++diagonal;  // not written
    phi[at] = 0;
  }
  CHECK(diagonal == jets.nodes());
  CHECK(relative_rms(phi, expected.phi) <= 8 * rms);
}

const std::vector<int> kSizes{1, 2, 3, 15, 16, 17, 31, 33, 1, 1, 2, 20};

template <int H>
void check_forward_width() {
  const std::vector<int> sizes{1, 2, 3, 17, 20};
  with_exact([&]<typename Op>() {
    check_forward<Op, H, true>(sizes, 2e-6);
    check_forward<Op, H, false>(sizes, 2e-6);
  });
  check_forward<prim::Bf16x3, H, true>(sizes, 4e-5);
  check_forward<prim::Bf16, H, true>(sizes, 3e-3);
}

}  // namespace

TEST_CASE("edge part in training: weights packed on the device are those packed on the host") {
  const RandomLayer layer(24, true, 5);
  const auto host = pack_edges<prim::Bf16x3, 24>(layer.get());
  const auto& from = layer.get();
  EdgeTrainingLayer same(24, true, 5);
  const auto by_outputs = [](const float* packed) {  // from rows of inputs
    std::vector<double> weights;
    for (int output = 0; output < 24; ++output) {
      for (int input = 0; input < 24; ++input) {
        weights.push_back(packed[input * fused::row_elements(24) + output]);
      }
    }
    return weights;
  };
  const auto row = [](const float* values, int count) {
    return std::vector<double>(values, values + count);
  };
  same.edge_out = by_outputs(from.edge_out);
  same.move_in = by_outputs(from.move_in);
  same.edge_out_bias = row(from.edge_out_bias, 24);
  same.move_in_bias = row(from.move_in_bias, 24);
  same.move_out = row(from.move_out, 24);
  same.gate = row(from.gate, 24);
  same.gate_bias = {from.gate_bias};
  const EdgeLayerOnDevice<prim::Bf16x3, 24> packed(same);
  const auto weights = packed.weights.download();
  constexpr int kPairTerms = EdgeWeightPlaces<24>::kVector;  // which training packs elsewhere
  REQUIRE(weights.size() + kPairTerms == host.fragments.size());
  CHECK(std::memcmp(weights.data(), host.fragments.data() + kPairTerms,
                    weights.size() * sizeof(weights[0])) == 0);
  auto biases = host.biases;
  biases.push_back(host.gate_bias);
  CHECK(packed.biases.download() == biases);
}

TEST_CASE("edge part in training: forward, every width and format") {
  with_tested_widths([]<int H>(std::integral_constant<int, H>) { check_forward_width<H>(); });
}

TEST_CASE("edge part in training: forward, odd sizes") {
  with_exact([]<typename Op>() {
    check_forward<Op, 24, true>(kSizes, 2e-6);
    for (const int n : {1, 2, 3, 15, 16, 17, 31, 33, 64}) check_forward<Op, 16, true>({n}, 2e-6);
    check_forward<Op, 16, true>({199, 200}, 2e-6);
  });
  check_forward<prim::Bf16x3, 72, true>(kSizes, 4e-5);
}

TEST_CASE("edge part in training: the reference's gradients are those of its values") {
  constexpr int kHidden = 16;
  EdgeTrainingLayer layer(kHidden, true, 5);
  JetsOfSizes jets({2, 7}, kHidden);
  const Pulls pulls(jets);
  const auto loss = [&] {
    const auto now = edge_training_reference(layer, jets, pulls.message, pulls.translation);
    double sum = 0;
    for (std::size_t k = 0; k < pulls.message.size(); ++k) sum += pulls.message[k] * now.message[k];
    for (std::size_t k = 0; k < pulls.translation.size(); ++k) {
      sum += pulls.translation[k] * now.translation[k];
    }
    return sum;
  };
  const auto gradients = edge_training_reference(layer, jets, pulls.message, pulls.translation);
  const auto slope = [&](auto& x, double step) {
    const auto before = x;
    x = static_cast<std::remove_reference_t<decltype(x)>>(before + step);
    const double above = loss(), up = x;
    x = static_cast<std::remove_reference_t<decltype(x)>>(before - step);
    const double below = loss(), down = x;
    x = before;
    return (above - below) / (up - down);
  };
  const auto check_all = [&](std::vector<double>& values, const std::vector<double>& expected) {
    for (std::size_t k = 0; k < values.size(); k += 1 + values.size() / 24) {
      CHECK(slope(values[k], 1e-7) == Approx(expected[k]).epsilon(1e-5).margin(1e-5));
    }
  };
  check_all(layer.edge_out, gradients.edge_out);
  check_all(layer.edge_out_bias, gradients.edge_out_bias);
  check_all(layer.gate, gradients.gate);
  check_all(layer.gate_bias, gradients.gate_bias);
  check_all(layer.move_in, gradients.move_in);
  check_all(layer.move_in_bias, gradients.move_in_bias);
  check_all(layer.move_out, gradients.move_out);
  for (int c = 0; c < kHidden; ++c) {
    const int row = c * (2 * kHidden + 2) + 2 * kHidden;
    const double scale = layer.scale[c];
    CHECK(slope(layer.uv[row], 1e-7) ==
          Approx(scale * gradients.s_q[c]).epsilon(1e-5).margin(1e-5));
    CHECK(slope(layer.uv[row + 1], 1e-7) ==
          Approx(scale * gradients.t_q[c]).epsilon(1e-5).margin(1e-5));
    for (const int node : {0, 5}) {
      const int at = node * kHidden + c;
      CHECK(slope(jets.a[at], 1e-4) ==
            Approx(scale * gradients.q_row[at]).epsilon(1e-3).margin(1e-3));
      CHECK(slope(jets.b[at], 1e-4) ==
            Approx(scale * gradients.q_column[at]).epsilon(1e-3).margin(1e-3));
    }
  }
}

}  // namespace lorentznet::cuda
