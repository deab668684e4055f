#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

#include "device_array.h"
#include "edge_training_reference.h"
#include "engine/cuda/edge_forward.h"
#include "engine/cuda/edge_plan.h"
#include "engine/cuda/edge_reduction.h"
#include "engine/cuda/packed_weights.h"
#include "errors.h"

namespace lorentznet::cuda {

inline std::vector<float> floats(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

/// Median of the error, relative to the root of the mean square of what is expected.
template <typename T>
double relative_median(const std::vector<T>& found, const std::vector<double>& expected) {
  std::vector<double> errors;
  double squares = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    errors.push_back(std::abs(found[k] - expected[k]));
    squares += std::pow(expected[k], 2);
  }
  const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
  std::nth_element(errors.begin(), middle, errors.end());
  return *middle == 0 ? 0 : *middle / std::sqrt(squares / static_cast<double>(found.size()));
}

/// Gradients of the edge part's outputs; a node's depend on its place in the jet alone.
struct Pulls {
  explicit Pulls(const JetsOfSizes& jets) {
    for (int i = 0; i < jets.nodes(); ++i) {
      std::mt19937 random(99U + static_cast<unsigned>(i - jets.span[i].x));
      std::normal_distribution<float> normal;
      for (int c = 0; c < jets.hidden; ++c) message.push_back(normal(random));
      for (int k = 0; k < 4; ++k) translation.push_back(.02 * normal(random));
    }
  }

  std::vector<double> message, translation;
};

/// A layer's parameters on the device, packed there.
template <typename Op, int H>
struct EdgeLayerOnDevice {
  using Pair = typename Op::Pair;
  using Pack = PackNetwork<Op, H>;

  explicit EdgeLayerOnDevice(const EdgeTrainingLayer& layer)
      : uv(floats(layer.uv)),
        scale(floats(layer.scale)),
        shift(floats(layer.shift)),
        edge_out(floats(layer.edge_out)),
        edge_out_bias(floats(layer.edge_out_bias)),
        gate(floats(layer.gate)),
        gate_bias(floats(layer.gate_bias)),
        move_in(floats(layer.move_in)),
        move_in_bias(floats(layer.move_in_bias)),
        move_out(floats(layer.move_out)),
        weights(EdgeWeightPlaces<H>::kEnd),
        transposed(2 * kMatrixFragments<H>),
        biases(2 * H + 1) {
    const bool moves = layer.moves;
    const DeviceArray<EdgeLayer<Op>> table(std::vector<EdgeLayer<Op>>{
        {edge_out.get(), edge_out_bias.get(), gate.get(), gate_bias.get(),
         moves ? move_in.get() : nullptr, moves ? move_in_bias.get() : nullptr,
         moves ? move_out.get() : nullptr, weights.get(), biases.get(), transposed.get()}});
    prim::launch<Pack>({}, Pack::blocks(0, 1), 0, {nullptr, 0, table.get()});
    [[maybe_unused]] const auto written = biases.download();  // waits, so that the table may go
  }

  EdgeNorm norm() const {
    return {scale.get(), shift.get(), uv.get() + 2 * H, uv.get() + 2 * H + 1, 2 * H + 2};
  }

  DeviceArray<float> uv, scale, shift, edge_out, edge_out_bias, gate, gate_bias, move_in,
      move_in_bias, move_out;
  DeviceArray<Pair> weights, transposed;
  DeviceArray<float> biases;
};

/// A batch on the device, and what the forward pass in training gives.
template <typename Op, int H, bool kMoves>
struct EdgeBatchOnDevice {
  static constexpr int kRounds = H <= 72 ? 2 : 1, kSplit = 4;
  using Forward = EdgeForward<Op, H, kRounds, kMoves, true>;
  using Backward = EdgeBackward<Op, H, kMoves>;
  using Reduction = EdgeReduction<H, kMoves>;
  using Columns = EdgeColumns<H, kMoves>;

  EdgeBatchOnDevice(const EdgeLayerOnDevice<Op, H>& on_device, const JetsOfSizes& batch)
      : layer(on_device),
        jets(batch),
        pairs(static_cast<std::size_t>(first_pairs(jets.offsets).back())),
        span(jets.span),
        first_pair(first_pairs(jets.offsets)),
        a(jets.a),
        b(jets.b),
        x(jets.x),
        message(jets.a.size()),
        translation(jets.x.size()),
        phi(pairs),
        signs(4 * pairs),
        message_gradient(floats(Pulls(jets).message)),
        translation_gradient(Pulls(jets).translation),
        q_row(jets.a.size()),
        q_column(jets.a.size()),
        columns(static_cast<std::size_t>(column_rows(static_cast<long>(pairs), jets.nodes())) * H),
        p_s(pairs),
        p_t(pairs),
        partial(Backward::blocks(jets.nodes()) * EdgeSumPlaces<H>::kEnd),
        x_gradient(jets.x.size()),
        of_nodes(block_rows(Columns::blocks(jets.nodes())) * 2 * H),
        node_sums(2 * H),
        tickets(std::vector<unsigned>(block_tickets(Columns::blocks(jets.nodes())) + 1)),
        s_q(H),
        t_q(H),
        edge_out(H * H),
        edge_out_bias(H),
        gate(H),
        gate_bias(1),
        move_in(H * H),
        move_in_bias(H),
        move_out(H) {}

  KeptPairs kept() { return {first_pair.get(), phi.get(), signs.get()}; }

  void forward() {
    const auto plan = plan_edges<Forward>(jets.offsets, kSplit);
    prim::launch<Forward>({}, plan.grid, plan.shared_bytes,
                          {.edges = {.nodes = jets.nodes(),
                                     .split = kSplit,
                                     .window = plan.window,
                                     .span = span.get(),
                                     .a = a.get(),
                                     .b = b.get(),
                                     .x = x.get(),
                                     .weights = layer.weights.get(),
                                     .biases = layer.biases.get(),
                                     .gate_bias = 0,
                                     .message = message.get(),
                                     .translation = translation.get()},
                           .norm = layer.norm(),
                           .kept = kept()});
  }

  /// After forward().
  void backward() {
    pull_edges();
    reduce();
  }
  void pull_edges() {
    prim::launch<Backward>({}, Backward::blocks(jets.nodes()), Backward::shared_bytes(),
                           {.nodes = jets.nodes(),
                            .span = span.get(),
                            .a = a.get(),
                            .b = b.get(),
                            .x = x.get(),
                            .norm = layer.norm(),
                            .kept = kept(),
                            .weights = layer.weights.get(),
                            .biases = layer.biases.get(),
                            .transposed = layer.transposed.get(),
                            .gate = layer.gate.get(),
                            .message_gradient = message_gradient.get(),
                            .translation_gradient = translation_gradient.get(),
                            .q_row = q_row.get(),
                            .columns = columns.get(),
                            .p_s = p_s.get(),
                            .p_t = p_t.get(),
                            .partial = partial.get()});
  }
  /// Without the batch norm's gradients, as with several ranks.
  void reduce() {
    prim::launch<Reduction>(
        {}, Reduction::blocks(jets.nodes()), Reduction::shared_bytes(),
        {.columns = {.nodes = jets.nodes(),
                     .span = span.get(),
                     .kept = kept(),
                     .a = a.get(),
                     .b = b.get(),
                     .q_row = q_row.get(),
                     .columns = columns.get(),
                     .x = x.get(),
                     .translation_gradient = translation_gradient.get(),
                     .q_column = q_column.get(),
                     .x_gradient = x_gradient.get(),
                     .sums = {of_nodes.get(), tickets.get(), node_sums.get()}},
         .gradients = {.parts = static_cast<int>(Backward::blocks(jets.nodes())),
                       .partial = partial.get(),
                       .move_in = layer.move_in.get(),
                       .move_in_bias = layer.move_in_bias.get(),
                       .move_out = layer.move_out.get(),
                       .s_q = s_q.get(),
                       .t_q = t_q.get(),
                       .edge_out = edge_out.get(),
                       .edge_out_bias = edge_out_bias.get(),
                       .gate = gate.get(),
                       .gate_bias = gate_bias.get(),
                       .move_in_gradient = move_in.get(),
                       .move_in_bias_gradient = move_in_bias.get(),
                       .move_out_gradient = move_out.get()},
         .norm = {},
         .alone = false,
         .ticket = nullptr});
  }

  const EdgeLayerOnDevice<Op, H>& layer;
  const JetsOfSizes& jets;
  std::size_t pairs;
  DeviceArray<int2> span;
  DeviceArray<int> first_pair;
  DeviceArray<float> a, b;
  DeviceArray<double> x;
  DeviceArray<float> message;
  DeviceArray<double> translation;
  DeviceArray<float> phi;
  DeviceArray<unsigned> signs;
  // backward
  DeviceArray<float> message_gradient;
  DeviceArray<double> translation_gradient;
  DeviceArray<float> q_row, q_column, columns, p_s, p_t, partial;
  DeviceArray<double> x_gradient, of_nodes, node_sums;
  DeviceArray<unsigned> tickets;
  DeviceArray<double> s_q, t_q;
  DeviceArray<float> edge_out, edge_out_bias, gate, gate_bias, move_in, move_in_bias, move_out;
};

}  // namespace lorentznet::cuda
