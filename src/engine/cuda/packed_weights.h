#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "engine/cuda/cuda_training.h"
#include "engine/cuda/edge_packing.h"
#include "engine/cuda/pack_weights.h"

namespace lorentznet::cuda {

/// `count` of the surroundings' memory.
template <typename T>
T* allocate(Surroundings& surroundings, std::size_t count) {
  return static_cast<T*>(surroundings.allocate(count * sizeof(T)));
}

/// Packs the weights of all layers, of nodes and of edges.
template <typename Op, int H>
struct PackNetwork {
  using Nodes = PackWeights<Op, H>;
  using Edges = PackEdges<Op, H>;

  struct Params {
    const typename Nodes::Matrix* matrices;  ///< [count] in device memory
    int count;
    const EdgeLayer<Op>* layers;  ///< in device memory
  };
  static constexpr int kThreads = Nodes::kThreads, kMinBlocks = 1;
  static_assert(kThreads == Edges::kThreads);
  static unsigned blocks(std::size_t matrices, std::size_t layers) {
    return static_cast<unsigned>(matrices + Edges::kBlocks * layers);
  }

  static __device__ __forceinline__ void run(const Params& p) {
    const int block = static_cast<int>(blockIdx.x), of_edges = block - p.count;
    if (of_edges < 0) return Nodes::run(p.matrices[block]);
    Edges::run(p.layers[of_edges / Edges::kBlocks], of_edges % Edges::kBlocks);
  }
};

/// A layer's weights, packed. PackWeights and PackEdges have what each is.
template <typename Op, int H>
struct PackedLayer {
  using Pair = typename Op::Pair;

  PackedLayer(Surroundings& surroundings, int scalars)
      : projection(allocate<Pair>(surroundings, 2 * kMatrix)),
        hidden(allocate<Pair>(surroundings, 2 * kMatrix)),
        output(allocate<Pair>(surroundings, kMatrix)),
        scalar_columns(allocate<float>(surroundings, static_cast<std::size_t>(scalars) * H)),
        projection_back(allocate<Pair>(surroundings, 2 * kMatrix)),
        hidden_back(allocate<Pair>(surroundings, 2 * kMatrix)),
        output_back(allocate<Pair>(surroundings, kMatrix)),
        edges(allocate<Pair>(surroundings, EdgeWeightPlaces<H>::kEnd)),
        edges_back(allocate<Pair>(surroundings, 2 * kMatrix)),
        edge_biases(allocate<float>(surroundings, 2 * H + 1)) {}

  static constexpr std::size_t kMatrix = kMatrixFragments<H>;

  Pair *projection, *hidden, *output;
  float* scalar_columns;  ///< [S, H]
  Pair *projection_back, *hidden_back, *output_back;
  Pair *edges, *edges_back;
  float* edge_biases;
};

/// All weights of a network, packed on the device.
template <typename Op, int H>
struct PackedWeights {
  using Layer = PackedLayer<Op, H>;

  PackedWeights(Surroundings& surroundings, const NetworkShape& shape)
      : embedding(allocate<float>(surroundings, static_cast<std::size_t>(1 + shape.scalars) * H)),
        decode_in(allocate<float>(surroundings, H * H)) {
    for (int k = 0; k < shape.layers; ++k) layers.emplace_back(surroundings, shape.scalars);
  }

  /// Packs the parameters: a launch.
  void pack(const NetworkArrays<const float>& parameters, const NetworkShape& shape,
            Surroundings& surroundings) const {
    std::vector<Matrix> matrices;
    std::vector<EdgeLayer<Op>> edges;
    matrices.push_back(transposed(parameters.embedding_bias, 1, 1, embedding));
    matrices.push_back(
        transposed(parameters.embedding, shape.scalars, shape.scalars, embedding + H));
    matrices.push_back(transposed(parameters.decode_in, H, H, decode_in));
    for (std::size_t k = 0; k < layers.size(); ++k) {
      add_nodes(parameters.layers[k], layers[k], shape.scalars, matrices);
      edges.push_back(edge_layer(parameters.layers[k], layers[k]));
    }
    const auto [of_nodes, of_edges] = send(matrices, edges, surroundings);
    prim::launch<Pack>(
        {}, Pack::blocks(matrices.size(), edges.size()), 0,
        {.matrices = of_nodes, .count = static_cast<int>(matrices.size()), .layers = of_edges});
  }

  float* embedding;  ///< [1 + S, H] its bias, its weights transposed
  float* decode_in;  ///< [H, H] transposed
  std::vector<Layer> layers;

 private:
  using Pack = PackNetwork<Op, H>;
  using Matrix = typename Pack::Nodes::Matrix;

  /// In one copy.
  static std::pair<const Matrix*, const EdgeLayer<Op>*> send(
      const std::vector<Matrix>& matrices, const std::vector<EdgeLayer<Op>>& layers,
      Surroundings& surroundings) {
    static_assert(sizeof(Matrix) % alignof(EdgeLayer<Op>) == 0);
    const std::size_t first = matrices.size() * sizeof(Matrix),
                      second = layers.size() * sizeof(EdgeLayer<Op>);
    std::vector<unsigned char> both(first + second);
    std::memcpy(both.data(), matrices.data(), first);
    std::memcpy(both.data() + first, layers.data(), second);
    const auto* const sent =
        static_cast<const unsigned char*>(surroundings.send(both.data(), both.size()));
    return {reinterpret_cast<const Matrix*>(sent),
            reinterpret_cast<const EdgeLayer<Op>*>(sent + first)};
  }

  static Matrix transposed(const float* weights, int inputs, int columns, float* to) {
    return {.weights = weights,
            .output_step = inputs,
            .input_step = 1,
            .order = WeightOrder::kByColumns,
            .to = nullptr,
            .columns = columns,
            .transposed = to};
  }

  /// Columns of weights [H, inputs] for the product with their inputs, and back.
  static void add(const float* columns, int inputs, WeightOrder order, typename Op::Pair* to,
                  WeightOrder order_back, typename Op::Pair* back, std::vector<Matrix>& matrices) {
    matrices.push_back({.weights = columns,
                        .output_step = inputs,
                        .input_step = 1,
                        .order = order,
                        .to = to,
                        .columns = 0,
                        .transposed = nullptr});
    matrices.push_back({.weights = columns,
                        .output_step = 1,
                        .input_step = inputs,
                        .order = order_back,
                        .to = back,
                        .columns = 0,
                        .transposed = nullptr});
  }

  static void add_nodes(const LayerArrays<const float>& from, const Layer& to, int scalars,
                        std::vector<Matrix>& matrices) {
    constexpr auto kByColumns = WeightOrder::kByColumns, kByPositions = WeightOrder::kByPositions;
    constexpr int kEdgeInputs = 2 * H + 2;
    const int node_inputs = 2 * H + scalars;
    for (int half = 0; half < 2; ++half) {  // receivers, senders; h, message
      const auto place = half * Layer::kMatrix;
      add(from.edge_in + half * H, kEdgeInputs, kByColumns, to.projection + place, kByPositions,
          to.projection_back + place, matrices);
      add(from.node_in + half * H, node_inputs, kByPositions, to.hidden + place, kByColumns,
          to.hidden_back + place, matrices);
    }
    add(from.node_out, H, kByColumns, to.output, kByColumns, to.output_back, matrices);
    matrices.push_back(transposed(from.node_in + 2 * H, node_inputs, scalars, to.scalar_columns));
  }

  static EdgeLayer<Op> edge_layer(const LayerArrays<const float>& from, const Layer& to) {
    return {.edge_out = from.edge_out,
            .edge_out_bias = from.edge_out_bias,
            .gate = from.gate,
            .gate_bias = from.gate_bias,
            .move_in = from.move_in,
            .move_in_bias = from.move_in_bias,
            .move_out = from.move_out,
            .weights = to.edges,
            .biases = to.edge_biases,
            .transposed = to.edges_back};
  }
};

}  // namespace lorentznet::cuda
