#pragma once

#include <utility>

#include "device_array.h"
#include "engine/cuda/cuda_inference.h"
#include "engine/cuda/edge_forward.h"
#include "engine/cuda/edge_plan.h"
#include "engine/cuda/edge_weights.h"
#include "engine/cuda/node_forward.h"
#include "engine/cuda/pack_nodes.h"
#include "engine/cuda/pool.h"

namespace lorentznet::cuda {

/// [inputs] rows of outputs, as the CPU's engine has them, to [outputs, inputs].
inline std::vector<float> by_outputs(const float* packed, int outputs, int inputs) {
  const long step = fused::row_elements(outputs);
  std::vector<float> weights;
  for (int output = 0; output < outputs; ++output) {
    for (int input = 0; input < inputs; ++input) weights.push_back(packed[input * step + output]);
  }
  return weights;
}

// A layer's weights on the device.

template <typename Op>
struct EdgesOnDevice {
  explicit EdgesOnDevice(const EdgeWeights<Op>& packed)
      : fragments(packed.fragments), biases(packed.biases), gate_bias(packed.gate_bias) {}

  DeviceArray<typename Op::Pair> fragments;
  DeviceArray<float> biases;
  float gate_bias;
};

template <typename Op>
struct UpdateOnDevice {
  explicit UpdateOnDevice(const PackedUpdate<typename Op::Pair>& packed)
      : weights(packed.weights), vectors(packed.vectors) {}

  DeviceArray<typename Op::Pair> weights;
  DeviceArray<float> vectors;
};

template <typename Op, int H>
UpdateOnDevice<Op> update_on_device(const fused::PackedNodes<float>& nodes, int scalars) {
  const auto in = by_outputs(nodes.in, H, 2 * H + scalars), out = by_outputs(nodes.out, H, H);
  return UpdateOnDevice<Op>(
      pack_update<Op, H>(in.data(), nodes.in_bias, out.data(), nodes.out_bias, scalars));
}

template <typename Op>
struct ProjectionOnDevice {
  Projection<Op> to(float* a, float* b) const {
    return {.weights = weights.get(), .receiver_bias = receiver_bias.get(), .a = a, .b = b};
  }

  DeviceArray<typename Op::Pair> weights;
  DeviceArray<float> receiver_bias;
};

template <typename Op, int H>
ProjectionOnDevice<Op> projection_on_device(const fused::PackedNodes<float>& nodes) {
  const auto receivers = by_outputs(nodes.receivers, H, H);
  const auto senders = by_outputs(nodes.senders, H, H);
  const std::vector<float> bias(nodes.receiver_bias, nodes.receiver_bias + H);
  return {.weights = DeviceArray(pack_projection<Op, H>(receivers.data(), senders.data())),
          .receiver_bias = DeviceArray(bias)};
}

template <typename Op, int H>
struct LayerOnDevice {
  LayerOnDevice(const fused::PackedNetwork<float>& network, int index)
      : moves(network.edges[index].moves),
        projection(projection_on_device<Op, H>(network.nodes[index])),
        edges(pack_edges<Op, H>(network.edges[index])),
        update(update_on_device<Op, H>(network.nodes[index], network.scalars)) {}

  bool moves;
  ProjectionOnDevice<Op> projection;
  EdgesOnDevice<Op> edges;
  UpdateOnDevice<Op> update;
};

/// What a batch's kernels give each other, for up to `nodes` nodes.
template <int H>
struct NodeMemory {
  explicit NodeMemory(std::size_t count)
      : nodes(count),
        a(nodes * H),
        b(nodes * H),
        h(nodes * H),
        message(nodes * H),
        x(nodes * 4),
        translation(nodes * 4),
        span(nodes) {}

  std::size_t nodes;
  DeviceArray<float> a, b, h, message;
  DeviceArray<double> x, translation;
  DeviceArray<int2> span;
};

template <typename Op, int H>
class InferenceOf final : public Inference {
 public:
  explicit InferenceOf(const fused::PackedNetwork<float>& network)
      : scalars_(network.scalars),
        classes_(network.classes),
        c_weight_(network.c_weight),
        embedding_(pack_embedding<H>(by_outputs(network.embedding, H, scalars_).data(),
                                     network.embedding_bias, scalars_)),
        decoder_(pack_decoder<H>(network.decode_in, network.decode_in_bias, network.decode_out,
                                 network.decode_out_bias, classes_)) {
    for (int k = 0; k < network.layers; ++k) {
      layers_.push_back(std::make_unique<LayerOnDevice<Op, H>>(network, k));
    }
  }

  void run(const JetBatch& jets) override {
    const int nodes = jets.host_offsets.back();
    if (memory_ == nullptr || memory_->nodes < static_cast<std::size_t>(nodes)) {
      memory_.reset();  // first, so that there is room
      memory_ = std::make_unique<NodeMemory<H>>(static_cast<std::size_t>(nodes) * 5 / 4);
    }
    encode(jets);
    const auto plan = plan_edges<Edges<true>>(jets.host_offsets, kSplit);  // Edges<false>'s, too
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      if (layers_[k]->moves) {
        run_layer<true>(jets, plan, *layers_[k], *layers_[k + 1]);
      } else {
        run_layer<false>(jets, plan, *layers_[k], *layers_[k]);
      }
    }
    using Kernel = Pool<H, /*kTrains=*/false>;
    prim::launch<Kernel>({}, static_cast<unsigned>(jets.host_offsets.size() - 1),
                         Kernel::shared_bytes(),
                         {.decoder = decoder_weights<H>(decoder_.get(), classes_),
                          .offsets = jets.offsets,
                          .n_nodes = jets.n_nodes,
                          .h = memory_->h.get(),
                          .logits = jets.logits,
                          .jets = {}});
  }

 private:
  /// Rounds of edges that share the weights' loads: as many as registers allow.
  static constexpr int kRounds = H <= 72 ? 2 : 1;
  /// Warps that share a tile of receivers. Always the same, since it decides the order of sums: 4
  /// is three times as fast as 1 for batches of 32 jets, and 3 % slower for 4,096.
  static constexpr int kSplit = 4;
  template <bool kMoves>
  using Edges = EdgeForward<Op, H, kRounds, kMoves>;

  void encode(const JetBatch& jets) {
    using Kernel = Encode<Op, H>;
    const int nodes = jets.host_offsets.back();
    prim::launch<Kernel>(
        {}, Kernel::blocks(nodes), 0,
        {.nodes = nodes,
         .jets = static_cast<int>(jets.host_offsets.size() - 1),
         .scalars = scalars_,
         .offsets = jets.offsets,
         .momenta = jets.momenta,
         .features = jets.scalars,
         .embedding = embedding_.get(),
         .next = layers_.front()->projection.to(memory_->a.get(), memory_->b.get()),
         .span = memory_->span.get(),
         .x = memory_->x.get(),
         .h = memory_->h.get()});
  }

  /// \param next  not used after the last layer
  template <bool kMoves>
  void run_layer(const JetBatch& jets, const EdgePlan& plan, const LayerOnDevice<Op, H>& layer,
                 const LayerOnDevice<Op, H>& next) {
    const int nodes = jets.host_offsets.back();
    prim::launch<Edges<kMoves>>({}, plan.grid, plan.shared_bytes,
                                {.nodes = nodes,
                                 .split = kSplit,
                                 .window = plan.window,
                                 .span = memory_->span.get(),
                                 .a = memory_->a.get(),
                                 .b = memory_->b.get(),
                                 .x = memory_->x.get(),
                                 .weights = layer.edges.fragments.get(),
                                 .biases = layer.edges.biases.get(),
                                 .gate_bias = layer.edges.gate_bias,
                                 .message = memory_->message.get(),
                                 .translation = memory_->translation.get()});
    using Nodes = NodeForward<Op, H, !kMoves>;
    prim::launch<Nodes>(
        {}, Nodes::blocks(nodes), 0,
        {.nodes = nodes,
         .scalars = scalars_,
         .message = memory_->message.get(),
         .features = jets.scalars,
         .weights = layer.update.weights.get(),
         .vectors = layer.update.vectors.get(),
         .h = memory_->h.get(),
         .next = kMoves ? next.projection.to(memory_->a.get(), memory_->b.get()) : Projection<Op>{},
         .c_weight = c_weight_,
         .span = memory_->span.get(),
         .translation = memory_->translation.get(),
         .x = memory_->x.get()});
  }

  int scalars_, classes_;
  double c_weight_;
  DeviceArray<float> embedding_, decoder_;
  std::vector<std::unique_ptr<LayerOnDevice<Op, H>>> layers_;
  std::unique_ptr<NodeMemory<H>> memory_;
};

}  // namespace lorentznet::cuda
