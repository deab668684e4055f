#pragma once

#include "engine/cuda/decoder_training.h"
#include "engine/cuda/edge_forward.h"
#include "engine/cuda/edge_plan.h"
#include "engine/cuda/node_training.h"
#include "engine/cuda/training_memory.h"

namespace lorentznet::cuda {

/// The forward pass of a training step, and what it keeps.
template <typename Op, int H>
class TrainingForward {
 public:
  TrainingForward(const NetworkShape& of_network,
                  const NetworkArrays<const float>& weights_of_network, const TrainingBatch& jets,
                  Surroundings& surroundings)
      : shape(of_network),
        parameters(weights_of_network),
        batch(jets, shape.layers, H, surroundings),
        n_nodes(jets.n_nodes),
        scalars(allocate<float>(surroundings, std::size_t(batch.rows) * shape.scalars)),
        decoded{jets.kept, static_cast<float>(jets.kept_scale),
                allocate<float>(surroundings, std::size_t(batch.jets) * H),
                allocate<float>(surroundings, std::size_t(batch.jets) * H)},
        weights(surroundings, shape),
        span(allocate<int2>(surroundings, static_cast<std::size_t>(batch.nodes))),
        last_h_(allocate<float>(surroundings, std::size_t(batch.rows) * H)) {
    for (int k = 0; k < shape.layers; ++k) {
      layers.emplace_back(batch, k + 1 < shape.layers, surroundings);
    }
  }

  void run(const std::vector<RunningOfLayer>& running, const TrainingBatch& jets,
           Surroundings& surroundings, float* logits) {
    weights.pack(parameters, shape, surroundings);
    encode(jets);
    const ForwardScratch<Op, H> scratch(batch, surroundings);
    const auto plan = plan_edges<Edges<true>>(jets.host_offsets, kSplit);  // Edges<false>'s, too
    for (int k = 0; k + 1 < shape.layers; ++k) {
      run_layer<true>(k, plan, running[k], scratch, surroundings);
    }
    run_layer<false>(shape.layers - 1, plan, running.back(), scratch, surroundings);
    decode(logits);
  }

  PairColumns columns(int k) const {
    const float* const columns = parameters.layers[k].edge_in + 2 * H;
    return {.u = columns, .v = columns + 1, .step = 2 * H + 2};
  }
  EdgeNorm edge_norm(int k) const {
    const auto norm = layers[k].edge_norm.values();
    const auto of_pairs = columns(k);
    return {.scale = norm.scale,
            .shift = norm.shift,
            .u = of_pairs.u,
            .v = of_pairs.v,
            .uv_step = of_pairs.step};
  }
  /// phi_h's, [2H + 1].
  double* node_sums(int k) const { return batch.node_sums + k * (2 * H + 1); }
  NetworkShape shape;
  NetworkArrays<const float> parameters;
  BatchPlaces batch;
  const double* n_nodes;
  float* scalars;  ///< [P, S], the ghost's zero
  DecodedJets decoded;
  PackedWeights<Op, H> weights;
  int2* span;
  std::vector<KeptLayer<H>> layers;

 private:
  /// As InferenceOf's.
  static constexpr int kRounds = H <= 72 ? 2 : 1, kSplit = 4;
  template <bool kMoves>
  using Edges = EdgeForward<Op, H, kRounds, kMoves, /*kTrains=*/true>;

  Projection<Op> projection(int k) const {
    return {.weights = weights.layers[k].projection,
            .receiver_bias = nullptr,
            .a = layers[k].a,
            .b = layers[k].b};
  }
  float* h_after(int k) const { return k + 1 < shape.layers ? layers[k + 1].h : last_h_; }

  void encode(const TrainingBatch& jets) {
    using Kernel = EncodeForward<Op, H>;
    prim::launch<Kernel>({}, Kernel::blocks(batch.rows), 0,
                         {.encode = {.nodes = batch.rows,
                                     .jets = batch.jets,
                                     .scalars = shape.scalars,
                                     .offsets = batch.offsets,
                                     .momenta = jets.momenta,
                                     .features = scalars,
                                     .embedding = weights.embedding,
                                     .next = projection(0),
                                     .span = span,
                                     .x = layers.front().x,
                                     .h = layers.front().h,
                                     .ghost = batch.ghost},
                          .scalars = jets.scalars,
                          .features = scalars});
  }

  void decode(float* logits) const {
    using Kernel = Pool<H, /*kTrains=*/true>;
    prim::launch<Kernel>({}, static_cast<unsigned>(batch.jets), Kernel::shared_bytes(),
                         {.decoder = {.classes = shape.classes,
                                      .in = weights.decode_in,
                                      .in_bias = parameters.decode_in_bias,
                                      .out = parameters.decode_out,
                                      .out_bias = parameters.decode_out_bias},
                          .offsets = batch.offsets,
                          .n_nodes = n_nodes,
                          .h = last_h_,
                          .logits = logits,
                          .jets = decoded});
  }

  template <bool kMoves>
  void run_layer(int k, const EdgePlan& plan, const RunningOfLayer& running,
                 const ForwardScratch<Op, H>& scratch, Surroundings& surroundings) {
    edge_statistics(k, running.edges, scratch, surroundings);
    edges<kMoves>(k, plan, scratch);
    node_hidden(k, running.nodes, scratch, surroundings);
    node_output<kMoves>(k, scratch);
  }

  void edge_statistics(int k, const RunningStatistics& running,
                       const ForwardScratch<Op, H>& scratch, Surroundings& surroundings) {
    using Kernel = EdgeStatistics<H>;
    const auto& layer = layers[k];
    const auto& own = parameters.layers[k];
    const auto norm =
        norm_of(layer.statistics, own.edge_norm, own.edge_norm_bias, running, layer.edge_norm);
    prim::launch<Kernel>({}, static_cast<unsigned>(batch.jets), Kernel::shared_bytes(),
                         {.offsets = batch.offsets,
                          .x = layer.x,
                          .a = layer.a,
                          .b = layer.b,
                          .columns = columns(k),
                          .pairs = layer.pairs,
                          .sums = {scratch.partial, batch.tickets, layer.statistics},
                          .norm = norm,
                          .alone = surroundings.ranks() == 1});
    normalise_over_ranks(norm, layer.statistics, surroundings);
  }

  NormOfBatch::Params norm_of(const double* sums, const float* weight, const float* bias,
                              const RunningStatistics& running, const NormPlaces& to) const {
    return {.channels = H,
            .sums = sums,
            .norm = {.weight = weight,
                     .bias = bias,
                     .running_mean = running.mean,
                     .running_variance = running.variance,
                     .batches = running.batches,
                     .epsilon = shape.epsilon,
                     .momentum = shape.momentum},
            .to = to.state()};
  }
  /// Unless the launch that has made the sums has normalised, too.
  static void normalise_over_ranks(const NormOfBatch::Params& norm, double* sums,
                                   Surroundings& surroundings) {
    if (surroundings.ranks() == 1) return;
    surroundings.sum_over_ranks(sums, 2 * H + 1);
    prim::launch<NormOfBatch>({}, 1, 0, norm);
  }

  template <bool kMoves>
  void edges(int k, const EdgePlan& plan, const ForwardScratch<Op, H>& scratch) {
    const auto& layer = layers[k];
    prim::launch<Edges<kMoves>>({}, plan.grid, plan.shared_bytes,
                                {.edges = {.nodes = batch.nodes,
                                           .split = kSplit,
                                           .window = plan.window,
                                           .span = span,
                                           .a = layer.a,
                                           .b = layer.b,
                                           .x = layer.x,
                                           .weights = weights.layers[k].edges,
                                           .biases = weights.layers[k].edge_biases,
                                           .gate_bias = 0,  // is the last one of biases
                                           .message = layer.message,
                                           .translation = scratch.translation},
                                 .norm = edge_norm(k),
                                 .kept = layer.kept});
  }

  void node_hidden(int k, const RunningStatistics& running, const ForwardScratch<Op, H>& scratch,
                   Surroundings& surroundings) {
    using Kernel = NodeHidden<Op, H>;
    const auto& layer = layers[k];
    const auto& own = parameters.layers[k];
    const auto norm =
        norm_of(node_sums(k), own.node_norm, own.node_norm_bias, running, layer.node_norm);
    prim::launch<Kernel>({}, Kernel::blocks(batch.rows), 0,
                         {.nodes = batch.rows,
                          .scalars = shape.scalars,
                          .ghost = batch.ghost,
                          .ghost_weight = batch.ghost_weight,
                          .h = layer.h,
                          .message = layer.message,
                          .features = scalars,
                          .weights = weights.layers[k].hidden,
                          .bias = parameters.layers[k].node_in_bias,
                          .scalar_weights = weights.layers[k].scalar_columns,
                          .z = layer.z,
                          .sums = {scratch.partial, batch.tickets, node_sums(k)},
                          .norm = norm,
                          .alone = surroundings.ranks() == 1});
    normalise_over_ranks(norm, node_sums(k), surroundings);
  }

  template <bool kMoves>
  void node_output(int k, const ForwardScratch<Op, H>& scratch) {
    using Kernel = NodeOutput<Op, H, !kMoves>;
    const auto& layer = layers[k];
    const auto norm = layer.node_norm.values();
    prim::launch<Kernel>({}, Kernel::blocks(batch.rows), 0,
                         {.nodes = batch.rows,
                          .h = layer.h,
                          .z = layer.z,
                          .scale = norm.scale,
                          .shift = norm.shift,
                          .weights = weights.layers[k].output,
                          .bias = parameters.layers[k].node_out_bias,
                          .to = h_after(k),
                          .next = kMoves ? projection(k + 1) : Projection<Op>{},
                          .move = kMoves ? movement(k, scratch) : Movement{}});
  }

  Movement movement(int k, const ForwardScratch<Op, H>& scratch) const {
    return {.nodes = batch.nodes,
            .c_weight = shape.c_weight,
            .span = span,
            .translation = scratch.translation,
            .x = layers[k].x,
            .to = layers[k + 1].x};
  }

  float* last_h_;
};

}  // namespace lorentznet::cuda
