#pragma once

#include "engine/cuda/edge_reduction.h"
#include "engine/cuda/node_backward.h"
#include "engine/cuda/partial_sums.h"
#include "engine/cuda/training_forward.h"

namespace lorentznet::cuda {

inline void add_partials(const AddPartials::Params& params) {
  prim::launch<AddPartials>({}, params.blocks(), AddPartials::shared_bytes(), params);
}

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

/// Weights' gradients of all layers, which are computed at the end, by two launches for every six
/// layers. What they are products of must stay until then.
template <typename Op, int H>
class WeightGradients {
 public:
  /// \param rows     P of the batch
  /// \param partial  a work area of weight_parts(rows) H numbers for each column of all products
  WeightGradients(int rows, float* partial) : partial_(partial), products_(rows) {}

  /// \param to  in rows of `stride`
  void add(WeightProduct product, float* to, int stride) {
    if (products_.count == Kernel::kMost || sums_.count == AddPartials::kMost) launch();
    product.partial = partial_;
    products_.add(product);
    sums_.add(gradient_of(products_.parts, H, product.width, partial_, to, stride));
    partial_ += static_cast<long>(products_.parts) * H * product.width;
  }
  void add_sum(const PartialSum& sum) {
    if (sums_.count == AddPartials::kMost) launch();
    sums_.add(sum);
  }
  void launch() {
    prim::launch<Kernel>({}, products_.blocks(), 0, products_);
    add_partials(sums_);
    products_.count = sums_.count = 0;
  }

 private:
  using Kernel = WeightGradient<Op, H>;
  float* partial_;
  typename Kernel::Params products_;
  AddPartials::Params sums_;
};

/// The backward pass of a training step.
template <typename Op, int H>
class TrainingBackward {
 public:
  TrainingBackward(const TrainingForward<Op, H>& pass, Surroundings& surroundings)
      : pass_(pass),
        surroundings_(surroundings),
        scratch_(pass.batch, pass.shape, surroundings),
        weights_(pass.batch.rows, scratch_.weight_parts) {}

  /// \param logits [J, K] dL/dlogits
  void run(const float* logits, const NetworkArrays<float>& gradients) {
    decode(logits, gradients);
    run_layer<false>(pass_.shape.layers - 1, gradients.layers.back());
    for (int k = pass_.shape.layers - 2; k >= 0; --k) run_layer<true>(k, gradients.layers[k]);
    encode(gradients);
    weights_.launch();
  }

 private:
  void decode(const float* logits, const NetworkArrays<float>& gradients) {
    using Kernel = DecodeBackward<H>;
    const auto& batch = pass_.batch;
    const int classes = pass_.shape.classes;
    prim::launch<Kernel>({}, Kernel::blocks(batch.jets, batch.ghost), Kernel::shared_bytes(),
                         {.jets = batch.jets,
                          .classes = classes,
                          .offsets = batch.offsets,
                          .n_nodes = pass_.n_nodes,
                          .gradient = logits,
                          .in = pass_.parameters.decode_in,
                          .out = pass_.parameters.decode_out,
                          .of_jets = pass_.decoded,
                          .hidden_gradient = scratch_.decoder,
                          .partial = scratch_.decoder_parts,
                          .h = scratch_.h.back()});
    weights_.add(
        {.rows = batch.jets, .gradient = scratch_.decoder, .x = pass_.decoded.pooled, .width = H},
        gradients.decode_in, H);
    weights_.add_sum(gradient_of(batch.jets, 1, Kernel::columns(classes), scratch_.decoder_parts,
                                 gradients.decode_out, Kernel::columns(classes)));  // and behind
  }
  /// edge_inputs() has written dL/da and dL/db in the place of a and b.
  ProjectionGradient<Op> projection_gradient(int k) const {
    const auto& layer = pass_.layers[k];
    return {.weights = pass_.weights.layers[k].projection_back, .a = layer.a, .b = layer.b};
  }
  /// From scratch_.h[k + 1], dL/d(the layer's h') but for what the next layer's projections add, to
  /// scratch_.h[k].
  template <bool kMoves>
  void run_layer(int k, const LayerArrays<float>& gradients) {
    node_backward<kMoves>(k, gradients);
    edge_backward<kMoves>(k, gradients);
    edge_inputs<kMoves>(k);
    weight_gradients(k, gradients);
  }

  template <bool kMoves>
  void node_backward(int k, const LayerArrays<float>& gradients) {
    using Out = NodeBackwardOut<Op, H, !kMoves>;
    const auto& layer = pass_.layers[k];
    prim::launch<Out>({}, Out::blocks(pass_.batch.rows), 0,
                      {.nodes = pass_.batch.rows,
                       .ghost = pass_.batch.ghost,
                       .given = scratch_.h[k + 1],
                       .next = kMoves ? projection_gradient(k + 1) : ProjectionGradient<Op>{},
                       .gradient = scratch_.h[k + 1],
                       .z = layer.z,
                       .norm = layer.node_norm.values(),
                       .weights = pass_.weights.layers[k].output_back,
                       .r = scratch_.r[k],
                       .sums = {scratch_.partial, pass_.batch.tickets, scratch_.norm_sums},
                       .gradients = gradients.node_norm_bias});  // and those behind it
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
                      .r = scratch_.r[k],
                      .weights = pass_.weights.layers[k].hidden_back,
                      .gradient = scratch_.h[k + 1],
                      .h = scratch_.h[k],
                      .message = scratch_.message,
                      .partial = scratch_.bias[k]});
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
    edge_reduction<kMoves>(k, static_cast<int>(blocks), gradients);
  }

  template <bool kMoves>
  void edge_reduction(int k, int parts, const LayerArrays<float>& gradients) {
    using Kernel = EdgeReduction<H, kMoves>;
    using Columns = typename Kernel::Columns;
    const bool alone = surroundings_.ranks() == 1;
    const auto norm = edge_norm_gradients(k, alone, gradients);
    prim::launch<Kernel>(
        {}, Kernel::blocks(pass_.batch.nodes), Kernel::shared_bytes(),
        {.columns = edge_columns<Columns>(k),
         .gradients = edge_gradients<typename Kernel::Gradients>(k, parts, gradients),
         .norm = norm,
         .alone = alone,
         .ticket = pass_.batch.tickets + block_tickets(Columns::blocks(pass_.batch.nodes))});
    if (alone) return;
    AddPartials::Params copy;
    copy.add(1, 4 * H, scratch_.edge_sums, scratch_.total);
    add_partials(copy);
    surroundings_.sum_over_ranks(scratch_.total, 4 * H);
    prim::launch<typename Kernel::Norm>({}, 1, Kernel::Norm::shared_bytes(), norm);
  }

  template <typename Columns>
  typename Columns::Params edge_columns(int k) const {
    const auto& layer = pass_.layers[k];
    return {.nodes = pass_.batch.nodes,
            .span = pass_.span,
            .kept = layer.kept,
            .a = layer.a,
            .b = layer.b,
            .q_row = scratch_.receivers,
            .columns = scratch_.columns,
            .x = layer.x,
            .translation_gradient = scratch_.translation,
            .q_column = scratch_.senders,
            .x_gradient = scratch_.direct,
            .sums = {scratch_.partial, pass_.batch.tickets, scratch_.edge_sums}};
  }

  template <typename Gradients>
  typename Gradients::Params edge_gradients(int k, int parts,
                                            const LayerArrays<float>& gradients) const {
    const auto& parameters = pass_.parameters.layers[k];
    return {.parts = parts,
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
            .move_out_gradient = gradients.move_out};
  }

  /// \param alone  no other rank has edges
  typename EdgeNormGradients<H>::Params edge_norm_gradients(
      int k, bool alone, const LayerArrays<float>& gradients) const {
    const auto& layer = pass_.layers[k];
    return {.statistics = layer.statistics,
            .sums = scratch_.edge_sums,
            .total = alone ? scratch_.edge_sums : scratch_.total,
            .norm = layer.edge_norm.values(),
            .columns = pass_.columns(k),
            .gamma = gradients.edge_norm,
            .beta = gradients.edge_norm_bias,
            .u = gradients.edge_in + 2 * H,
            .v = gradients.edge_in + 2 * H + 1,
            .terms = scratch_.terms};
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
                          .a_gradient = layer.a,
                          .b_gradient = layer.b,
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
    const int rows = pass_.batch.rows, nodes = pass_.batch.nodes;
    const float* const dz = scratch_.r[k];
    weights_.add({.rows = rows,
                  .gradient = scratch_.h[k + 1],
                  .x = layer.z,
                  .scale = norm.scale,
                  .shift = norm.shift,
                  .width = H},
                 gradients.node_out, H);
    weights_.add({.rows = rows, .gradient = dz, .x = layer.h, .width = H}, gradients.node_in,
                 node_inputs);
    weights_.add({.rows = nodes, .gradient = dz, .x = layer.message, .width = H},
                 gradients.node_in + H, node_inputs);
    weights_.add(of_scalars(dz), gradients.node_in + 2 * H, node_inputs);
    weights_.add({.rows = nodes, .gradient = layer.a, .x = layer.h, .width = H}, gradients.edge_in,
                 edge_inputs);
    weights_.add({.rows = nodes, .gradient = layer.b, .x = layer.h, .width = H},
                 gradients.edge_in + H, edge_inputs);
    weights_.add_sum(gradient_of(static_cast<int>(node_blocks(rows)), H, scratch_.bias[k],
                                 gradients.node_in_bias));
  }
  WeightProduct of_scalars(const float* gradient) const {
    return {.rows = pass_.batch.rows,
            .gradient = gradient,
            .x = pass_.scalars,
            .width = pass_.shape.scalars,
            .scalars = true};
  }

  void encode(const NetworkArrays<float>& gradients) {
    using Kernel = EncodeBackward<Op, H>;
    const int rows = pass_.batch.rows;
    prim::launch<Kernel>({}, Kernel::blocks(rows), 0,
                         {.nodes = rows,
                          .ghost = pass_.batch.ghost,
                          .given = scratch_.h.front(),
                          .next = projection_gradient(0),
                          .gradient = scratch_.h.front(),
                          .sums = {scratch_.partial, pass_.batch.tickets, scratch_.norm_sums},
                          .bias = gradients.embedding_bias});
    weights_.add(of_scalars(scratch_.h.front()), gradients.embedding, pass_.shape.scalars);
  }

  const TrainingForward<Op, H>& pass_;
  Surroundings& surroundings_;
  BackwardScratch<Op, H> scratch_;
  WeightGradients<Op, H> weights_;
};

}  // namespace lorentznet::cuda
