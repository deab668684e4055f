#pragma once

#include <vector>

#include "engine/cuda/edge_packing.h"
#include "engine/engine.h"
#include "engine/pack.h"

namespace lorentznet::cuda {

/// Weights of the edge part as the kernels of inference read them.
template <typename Op>
struct EdgeWeights {
  std::vector<typename Op::Pair> fragments;  ///< u and v, the rest in the order of EdgeWeightPlaces
  std::vector<float> biases;  ///< [2, H] of phi_e.3, and of phi_x.0 (zero in the last layer)
  float gate_bias;
};

/// \param layer  of hidden width H, as the CPU's engine reads it: without phi_x in the last layer
template <typename Op, int H>
EdgeWeights<Op> pack_edges(const fused::PackedLayer<float>& layer) {
  using Pair = typename Op::Pair;
  using Places = EdgeWeightPlaces<H>;
  constexpr int kWidest = 16 / sizeof(Pair);
  EdgeWeights<Op> weights{.fragments = {}, .biases = {}, .gate_bias = layer.gate_bias};
  auto& to = weights.fragments;
  for (int k = 0; k < Places::kVector; ++k) {
    to.push_back(pair_term<Op, H>(layer.u, layer.v, 1, nullptr, k / kWarpLanes, k % kWarpLanes));
  }
  to.resize(Places::kVector + (layer.moves ? Places::kEnd : Places::kWithoutMoves));
  const auto matrix = [&](const float* inputs, const auto& place) {
    const long step = fused::row_elements(H);
    for (int k = 0; k < kMatrixFragments<H>; ++k) {
      const MatrixRegister<H> at(k);
      const auto weight = [&](int q) { return inputs[at.input(q) * step + at.output()]; };
      to[Places::kVector + place(at.n, at.k, at.lane, kWidest)] = Op::pack(weight(0), weight(1));
    }
  };
  const auto vector = [&](const float* values, const auto& place) {
    for (int k = 0; k < Places::kVector; ++k) {
      const int n = k / kWarpLanes, lane = k % kWarpLanes;
      to[Places::kVector + place(n, lane, kWidest)] = vector_register<Op, H>(values, n, lane);
    }
  };
  matrix(layer.edge_out, Places::edge_out);
  vector(layer.gate, Places::gate);
  weights.biases.assign(layer.edge_out_bias, layer.edge_out_bias + H);
  weights.biases.resize(2 * H);
  if (!layer.moves) return weights;
  matrix(layer.move_in, Places::move_in);
  vector(layer.move_out, Places::move_out);
  for (int c = 0; c < H; ++c) weights.biases[H + c] = layer.move_in_bias[c];
  return weights;
}

}  // namespace lorentznet::cuda
