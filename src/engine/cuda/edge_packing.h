#pragma once

#include "engine/cuda/edge_norm.h"
#include "engine/cuda/edge_tile.h"

namespace lorentznet::cuda {

/// A lane's register of column tile n of a vector as an operand: in even columns its numbers as the
/// format has them, in odd ones what is left of them, so that a product has the bits twice.
template <typename Op, int H>
__host__ __device__ typename Op::Pair vector_register(const float* value, int n, int lane) {
  const auto low = Op::split(value[Channels<H>::at(n, lane % 4, 0)]),
             high = Op::split(value[Channels<H>::at(n, lane % 4, 1)]);
  return lane / 4 % 2 != 0 ? Op::pack(Op::high(low), Op::high(high))
                           : Op::pack(Op::low(low), Op::low(high));
}

/// A layer's parameters, as the network has them, and the registers that they are packed into.
template <typename Op>
struct EdgeLayer {
  using Pair = typename Op::Pair;

  const float *edge_out, *edge_out_bias;  ///< phi_e.3 [H, H], [H]
  const float *gate, *gate_bias;          ///< [H], [1]
  const float *move_in, *move_in_bias,
      *move_out;  ///< phi_x.0, phi_x.2: [H, H], [H], [H]; null in the last layer
  Pair* weights;  ///< [EdgeWeightPlaces<H>::kEnd]
  float* biases;  ///< [2 H + 1]
  /// [2, kMatrixFragments<H>] by columns: the transposes of phi_e.3, and of phi_x.0 with each
  /// output's row times its number of phi_x.2
  Pair* transposed;
};

/// Packs the weights of edge parts on the device, as pack_edges() does on the host: in training
/// they change at every step. kBlocks blocks a layer: a part of PackNetwork.
template <typename Op, int H>
struct PackEdges {
  using Pair = typename Op::Pair;
  using Places = EdgeWeightPlaces<H>;

  static constexpr int kThreads = 256, kBlocks = 5;

  /// \param job  of kBlocks
  static __device__ __forceinline__ void run(const EdgeLayer<Op>& layer, int job) {
    const bool moves = layer.move_in != nullptr;
    if (job == 0) {
      pack(
          layer.weights, [&](int output, int input) { return layer.edge_out[output * H + input]; },
          Places::edge_out);
    } else if (job == 1) {
      pack(
          layer.transposed,
          [&](int output, int input) { return layer.edge_out[input * H + output]; }, by_columns);
    } else if (job == 2) {
      pack_vectors(layer, moves);
    } else if (moves && job == 3) {
      pack(
          layer.weights, [&](int output, int input) { return layer.move_in[output * H + input]; },
          Places::move_in);
    } else if (moves) {
      pack(
          layer.transposed + kMatrixFragments<H>,
          [&](int output, int input) {
            return layer.move_in[input * H + output] * layer.move_out[input];
          },
          by_columns);
    }
  }

 private:
  static constexpr int kWidest = 16 / sizeof(Pair);

  static __device__ __forceinline__ int by_columns(int n, int k, int lane, int widest) {
    return fragment_at<H>(WeightOrder::kByColumns, n, k, lane, widest);
  }

  template <typename Weight, typename Place>
  static __device__ __forceinline__ void pack(Pair* to, const Weight& weight, const Place& place) {
    for (int k = static_cast<int>(threadIdx.x); k < kMatrixFragments<H>; k += kThreads) {
      const MatrixRegister<H> at(k);
      to[place(at.n, at.k, at.lane, kWidest)] =
          Op::pack(weight(at.output(), at.input(0)), weight(at.output(), at.input(1)));
    }
  }
  static __device__ __forceinline__ void pack_vectors(const EdgeLayer<Op>& layer, bool moves) {
    const int thread = static_cast<int>(threadIdx.x);
    for (int k = thread; k < Places::kVector; k += kThreads) {
      const int n = k / kWarpLanes, lane = k % kWarpLanes;
      layer.weights[Places::gate(n, lane, kWidest)] = vector_register<Op, H>(layer.gate, n, lane);
      if (!moves) continue;
      layer.weights[Places::move_out(n, lane, kWidest)] =
          vector_register<Op, H>(layer.move_out, n, lane);
    }
    for (int c = thread; c < H; c += kThreads) {
      layer.biases[c] = layer.edge_out_bias[c];
      layer.biases[H + c] = moves ? layer.move_in_bias[c] : 0.0F;
    }
    if (thread == 0) layer.biases[2 * H] = *layer.gate_bias;
  }
};

}  // namespace lorentznet::cuda
