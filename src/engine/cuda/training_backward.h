#pragma once

#include <utility>

#include "engine/cuda/edge_gradients.h"
#include "engine/cuda/node_backward.h"
#include "engine/cuda/training_forward.h"

namespace lorentznet::cuda {

/// Where a matrix's gradient goes, of the parts that a launch has written.
inline PartialSum gradient_of(int parts, int rows, int width, const float* partial, float* to,
                              int stride) {
  return {.parts = parts,
          .columns = rows * width,
          .doubles = nullptr,
          .floats = partial,
          .sums = nullptr,
          .gradient = to,
          .width = width,
          .stride = stride};
}
inline PartialSum gradient_of(int parts, int columns, const double* partial, float* to) {
  return {.parts = parts,
          .columns = columns,
          .doubles = partial,
          .floats = nullptr,
          .sums = nullptr,
          .gradient = to,
          .width = columns,
          .stride = columns};
}

/// The backward pass of a training step.
template <typename Op, int H>
class TrainingBackward {
 public:
  TrainingBackward(const TrainingForward<Op, H>& pass, Surroundings& surroundings)
      : pass_(pass),
        surroundings_(surroundings),
        scratch_(pass.batch, pass.shape.scalars, surroundings) {}

  /// \param pooled [J, H] dL/d(mean embeddings)
  void run(const float* pooled, const NetworkArrays<float>& gradients) {
    using Kernel = PoolBackward<H>;
    const auto& batch = pass_.batch;
    prim::launch<Kernel>({}, Kernel::blocks(batch.jets, batch.ghost), 0,
                         {.jets = batch.jets,
                          .offsets = batch.offsets,
                          .n_nodes = pass_.n_nodes,
                          .gradient = pooled,
                          .h = scratch_.gradient});
    run_layer<false>(pass_.shape.layers - 1, gradients.layers.back());
    for (int k = pass_.shape.layers - 2; k >= 0; --k) run_layer<true>(k, gradients.layers[k]);
    encode(gradients);
  }

 private:
  ProjectionGradient<Op> projection_gradient(int k) const {
    return {.weights = pass_.weights.layers[k].projection_back,
            .a = scratch_.receivers,
            .b = scratch_.senders};
  }
  /// From scratch_.gradient, dL/d(the layer's h'), to that of its h.
  template <bool kMoves>
  void run_layer(int k, const LayerArrays<float>& gradients) {
    node_backward<kMoves>(k, gradients);
    edge_backward<kMoves>(k, gradients);
    edge_norm_backward<kMoves>(k, gradients);
    weight_gradients(k, gradients);
    std::swap(scratch_.gradient, scratch_.h);
  }

  template <bool kMoves>
  void node_backward(int k, const LayerArrays<float>& gradients) {
    using Out = NodeBackwardOut<Op, H, !kMoves>;
    const auto& layer = pass_.layers[k];
    prim::launch<Out>({}, Out::blocks(pass_.batch.rows), 0,
                      {.nodes = pass_.batch.rows,
                       .ghost = pass_.batch.ghost,
                       .given = scratch_.gradient,
                       .next = kMoves ? projection_gradient(k + 1) : ProjectionGradient<Op>{},
                       .gradient = scratch_.gradient,
                       .z = layer.z,
                       .norm = layer.node_norm.values(),
                       .weights = pass_.weights.layers[k].output_back,
                       .r = scratch_.r,
                       .partial = scratch_.partial});
    auto sums =
        gradient_of(static_cast<int>(Out::blocks(pass_.batch.rows)), 3 * H, scratch_.partial,
                    gradients.node_norm_bias);  // and those behind it
    sums.sums = scratch_.norm_sums;
    AddPartials::Params parts;
    parts.add(sums);
    add_partials(parts);
    if (surroundings_.ranks() > 1) surroundings_.sum_over_ranks(scratch_.norm_sums, 2 * H);
    using In = NodeBackwardIn<Op, H>;
    prim::launch<In>({}, In::blocks(pass_.batch.rows), 0,
                     {.nodes = pass_.batch.rows,
                      .ghost = pass_.batch.ghost,
                      .ghost_weight = pass_.batch.ghost_weight,
                      .z = layer.z,
                      .norm = layer.node_norm.values(),
                      .sums = scratch_.norm_sums,
                      .count = pass_.node_sums(k) + 2 * H,
                      .r = scratch_.r,
                      .weights = pass_.weights.layers[k].hidden_back,
                      .gradient = scratch_.gradient,
                      .h = scratch_.h,
                      .message = scratch_.message,
                      .partial = scratch_.bias_partial});
  }

  template <bool kMoves>
  void edge_backward(int k, const LayerArrays<float>& gradients) {
    using Kernel = EdgeBackward<Op, H, kMoves>;
    const auto& layer = pass_.layers[k];
    const auto& weights = pass_.weights.layers[k];
    const unsigned blocks = Kernel::blocks(pass_.batch.nodes);
    prim::launch<Kernel>({}, blocks, Kernel::shared_bytes(),
                         {.nodes = pass_.batch.nodes,
                          .span = pass_.span,
                          .a = layer.a,
                          .b = layer.b,
                          .x = layer.x,
                          .norm = pass_.edge_norm(k),
                          .kept = layer.kept,
                          .weights = weights.edges,
                          .biases = weights.edge_biases,
                          .transposed = weights.edges_back,
                          .gate = pass_.parameters.layers[k].gate,
                          .message_gradient = scratch_.message,
                          .translation_gradient = scratch_.translation,
                          .q_row = scratch_.receivers,
                          .columns = scratch_.columns,
                          .p_s = scratch_.p_s,
                          .p_t = scratch_.p_t,
                          .partial = scratch_.edge_parts});
    using Columns = EdgeColumns<H, kMoves>;
    prim::launch<Columns>({}, Columns::blocks(pass_.batch.nodes), 0,
                          {.nodes = pass_.batch.nodes,
                           .span = pass_.span,
                           .kept = layer.kept,
                           .columns = scratch_.columns,
                           .x = layer.x,
                           .translation_gradient = scratch_.translation,
                           .q_column = scratch_.senders,
                           .x_gradient = scratch_.direct});
    edge_gradients<kMoves>(k, static_cast<int>(blocks), gradients);
  }

  template <bool kMoves>
  void edge_gradients(int k, int parts, const LayerArrays<float>& gradients) {
    using Kernel = EdgeGradients<H, kMoves>;
    const auto& parameters = pass_.parameters.layers[k];
    prim::launch<Kernel>({}, Kernel::kBlocks, Kernel::shared_bytes(),
                         {.parts = parts,
                          .partial = scratch_.edge_parts,
                          .move_in = parameters.move_in,
                          .move_in_bias = parameters.move_in_bias,
                          .move_out = parameters.move_out,
                          .s_q = scratch_.edge_sums + 2 * H,
                          .t_q = scratch_.edge_sums + 3 * H,
                          .edge_out = gradients.edge_out,
                          .edge_out_bias = gradients.edge_out_bias,
                          .gate = gradients.gate,
                          .gate_bias = gradients.gate_bias,
                          .move_in_gradient = gradients.move_in,
                          .move_in_bias_gradient = gradients.move_in_bias,
                          .move_out_gradient = gradients.move_out});
  }

  template <bool kMoves>
  void edge_norm_backward(int k, const LayerArrays<float>& gradients) {
    using Sums = EdgeNormSums<H>;
    const auto& layer = pass_.layers[k];
    const unsigned blocks = Sums::blocks(pass_.batch.nodes);
    prim::launch<Sums>({}, blocks, 0,
                       {.nodes = pass_.batch.nodes,
                        .a = layer.a,
                        .b = layer.b,
                        .receivers = scratch_.receivers,
                        .senders = scratch_.senders,
                        .partial = scratch_.partial});
    AddPartials::Params parts;
    parts.add(static_cast<int>(blocks), 2 * H, scratch_.partial, scratch_.edge_sums);
    add_partials(parts);
    using Gradients = EdgeNormGradients<H>;
    prim::launch<Gradients>({}, 1, Gradients::shared_bytes(),
                            {.statistics = layer.statistics,
                             .sums = scratch_.edge_sums,
                             .total = over_ranks(),
                             .norm = layer.edge_norm.values(),
                             .columns = pass_.columns(k),
                             .gamma = gradients.edge_norm,
                             .beta = gradients.edge_norm_bias,
                             .u = gradients.edge_in + 2 * H,
                             .v = gradients.edge_in + 2 * H + 1,
                             .terms = scratch_.terms});
    edge_inputs<kMoves>(k);
  }

  /// scratch_.edge_sums of all ranks.
  const double* over_ranks() {
    if (surroundings_.ranks() == 1) return scratch_.edge_sums;
    AddPartials::Params copy;
    copy.add(1, 4 * H, scratch_.edge_sums, scratch_.total);
    add_partials(copy);
    surroundings_.sum_over_ranks(scratch_.total, 4 * H);
    return scratch_.total;
  }

  template <bool kMoves>
  void edge_inputs(int k) {
    using Kernel = EdgeInputGradients<H>;
    const auto& layer = pass_.layers[k];
    prim::launch<Kernel>({}, static_cast<unsigned>(pass_.batch.jets),
                         Kernel::shared_bytes(pass_.batch.most_nodes),
                         {.most_nodes = pass_.batch.most_nodes,
                          .offsets = pass_.batch.offsets,
                          .a = layer.a,
                          .b = layer.b,
                          .columns = pass_.columns(k),
                          .norm = layer.edge_norm.values(),
                          .terms = scratch_.terms,
                          .pairs = layer.pairs,
                          .receivers = scratch_.receivers,
                          .senders = scratch_.senders,
                          .a_gradient = scratch_.receivers,
                          .b_gradient = scratch_.senders,
                          .x = layer.x,
                          .s = scratch_.p_s,
                          .t = scratch_.p_t,
                          .first_pair = pass_.batch.first_pair,
                          .given = kMoves ? scratch_.x : nullptr,
                          .direct = kMoves ? scratch_.direct : nullptr,
                          .x_gradient = k > 0 ? scratch_.x : nullptr,
                          .c_weight = pass_.shape.c_weight,
                          .translation = scratch_.translation});
  }

  void weight_gradients(int k, const LayerArrays<float>& gradients) {
    const auto& layer = pass_.layers[k];
    const auto norm = layer.node_norm.values();
    const int node_inputs = 2 * H + pass_.shape.scalars, edge_inputs = 2 * H + 2;
    typename WeightGradient<Op, H>::Params params(pass_.batch.rows);
    AddPartials::Params sums;
    float* partial = scratch_.weight_parts;
    const auto add = [&](WeightProduct product, float* to, int stride) {
      product.partial = partial;
      params.add(product);
      sums.add(gradient_of(params.parts, H, product.width, partial, to, stride));
      partial += static_cast<long>(params.parts) * H * product.width;
    };
    const int rows = pass_.batch.rows, nodes = pass_.batch.nodes;
    add({.rows = rows,
         .gradient = scratch_.gradient,
         .x = layer.z,
         .scale = norm.scale,
         .shift = norm.shift,
         .width = H},
        gradients.node_out, H);
    add({.rows = rows, .gradient = scratch_.r, .x = layer.h, .width = H}, gradients.node_in,
        node_inputs);
    add({.rows = nodes, .gradient = scratch_.r, .x = layer.message, .width = H},
        gradients.node_in + H, node_inputs);
    add({.rows = rows,
         .gradient = scratch_.r,
         .x = pass_.scalars,
         .width = pass_.shape.scalars,
         .scalars = true},
        gradients.node_in + 2 * H, node_inputs);
    add({.rows = nodes, .gradient = scratch_.receivers, .x = layer.h, .width = H},
        gradients.edge_in, edge_inputs);
    add({.rows = nodes, .gradient = scratch_.senders, .x = layer.h, .width = H},
        gradients.edge_in + H, edge_inputs);
    sums.add(gradient_of(static_cast<int>(node_blocks(rows)), H, scratch_.bias_partial,
                         gradients.node_in_bias));
    prim::launch<WeightGradient<Op, H>>({}, params.blocks(), 0, params);
    add_partials(sums);
  }

  void encode(const NetworkArrays<float>& gradients) {
    using Kernel = EncodeBackward<Op, H>;
    const int rows = pass_.batch.rows;
    prim::launch<Kernel>({}, Kernel::blocks(rows), 0,
                         {.nodes = rows,
                          .ghost = pass_.batch.ghost,
                          .given = scratch_.gradient,
                          .next = projection_gradient(0),
                          .gradient = scratch_.gradient,
                          .partial = scratch_.bias_partial});
    typename WeightGradient<Op, H>::Params params(rows);
    params.add({.rows = rows,
                .gradient = scratch_.gradient,
                .x = pass_.scalars,
                .width = pass_.shape.scalars,
                .scalars = true,
                .partial = scratch_.weight_parts});
    prim::launch<WeightGradient<Op, H>>({}, params.blocks(), 0, params);
    AddPartials::Params sums;
    sums.add(gradient_of(params.parts, H, pass_.shape.scalars, scratch_.weight_parts,
                         gradients.embedding, pass_.shape.scalars));
    sums.add(gradient_of(static_cast<int>(Kernel::blocks(rows)), H, scratch_.bias_partial,
                         gradients.embedding_bias));
    add_partials(sums);
  }

  const TrainingForward<Op, H>& pass_;
  Surroundings& surroundings_;
  BackwardScratch<Op, H> scratch_;
};

}  // namespace lorentznet::cuda
