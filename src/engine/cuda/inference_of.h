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
inline std::vector<float> row_of(const float* values, int count) {
  return {values, values + count};
}

/// A layer's weights on the device.
template <typename Op, int H>
class DeviceLayer {
 public:
  using Pair = typename Op::Pair;

  DeviceLayer(const fused::PackedNetwork<float>& network, int index)
      : DeviceLayer(network.edges[index], network.nodes[index], network.scalars,
                    pack_edges<Op, H>(network.edges[index])) {}

  Projection<Op> projection(float* a, float* b) const {
    return {.weights = projection_.get(), .receiver_bias = receiver_bias_.get(), .a = a, .b = b};
  }

  bool moves() const { return moves_; }
  const Pair* edges() const { return edges_.get(); }
  const float* biases() const { return biases_.get(); }
  float gate_bias() const { return gate_bias_; }
  const Pair* update() const { return update_.get(); }
  const float* vectors() const { return vectors_.get(); }

 private:
  DeviceLayer(const fused::PackedLayer<float>& edges, const fused::PackedNodes<float>& nodes,
              int scalars, const EdgeWeights<Op>& packed)
      : DeviceLayer(
            edges.moves, nodes, packed,
            pack_update<Op, H>(by_outputs(nodes.in, H, 2 * H + scalars).data(), nodes.in_bias,
                               by_outputs(nodes.out, H, H).data(), nodes.out_bias, scalars)) {}
  DeviceLayer(bool moves, const fused::PackedNodes<float>& nodes, const EdgeWeights<Op>& packed,
              const PackedUpdate<Pair>& update)
      : moves_(moves),
        edges_(packed.fragments),
        biases_(packed.biases),
        gate_bias_(packed.gate_bias),
        update_(update.weights),
        vectors_(update.vectors),
        projection_(pack_projection<Op, H>(by_outputs(nodes.receivers, H, H).data(),
                                           by_outputs(nodes.senders, H, H).data())),
        receiver_bias_(row_of(nodes.receiver_bias, H)) {}

  bool moves_;
  DeviceArray<Pair> edges_;
  DeviceArray<float> biases_;
  float gate_bias_;
  DeviceArray<Pair> update_;
  DeviceArray<float> vectors_;
  DeviceArray<Pair> projection_;
  DeviceArray<float> receiver_bias_;
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
      layers_.push_back(std::make_unique<DeviceLayer<Op, H>>(network, k));
    }
  }

  void run(const JetBatch& jets) override {
    const int nodes = jets.host_offsets.back();
    if (memory_ == nullptr || memory_->nodes < static_cast<std::size_t>(nodes)) {
      memory_.reset();  // first, so that there is room
      memory_ = std::make_unique<NodeMemory<H>>(static_cast<std::size_t>(nodes) * 5 / 4);
    }
    encode(jets);
    for (std::size_t k = 0; k < layers_.size(); ++k) {
      if (layers_[k]->moves()) {
        run_layer<true>(jets, *layers_[k], *layers_[k + 1]);
      } else {
        run_layer<false>(jets, *layers_[k], *layers_[k]);
      }
    }
    using Kernel = Pool<H>;
    prim::launch<Kernel>({}, static_cast<unsigned>(jets.host_offsets.size() - 1),
                         Kernel::shared_bytes(),
                         {.classes = classes_,
                          .offsets = jets.offsets,
                          .n_nodes = jets.n_nodes,
                          .h = memory_->h.get(),
                          .decoder = decoder_.get(),
                          .logits = jets.logits});
  }

 private:
  /// Rounds of edges that share the weights' loads: as many as registers allow.
  static constexpr int kRounds = H <= 72 ? 2 : 1;
  /// Warps that share a tile of receivers. Always the same, since it decides the order of sums: 4
  /// is three times as fast as 1 for batches of 32 jets, and 3 % slower for 4,096.
  static constexpr int kSplit = 4;

  void encode(const JetBatch& jets) {
    using Kernel = Encode<Op, H>;
    const int nodes = jets.host_offsets.back();
    prim::launch<Kernel>({}, Kernel::blocks(nodes), 0,
                         {.nodes = nodes,
                          .jets = static_cast<int>(jets.host_offsets.size() - 1),
                          .scalars = scalars_,
                          .offsets = jets.offsets,
                          .momenta = jets.momenta,
                          .features = jets.scalars,
                          .embedding = embedding_.get(),
                          .next = layers_.front()->projection(memory_->a.get(), memory_->b.get()),
                          .span = memory_->span.get(),
                          .x = memory_->x.get(),
                          .h = memory_->h.get()});
  }

  /// \param next  not used after the last layer
  template <bool kMoves>
  void run_layer(const JetBatch& jets, const DeviceLayer<Op, H>& layer,
                 const DeviceLayer<Op, H>& next) {
    using Edges = EdgeForward<Op, H, kRounds, kMoves>;
    const int nodes = jets.host_offsets.back();
    const auto plan = plan_edges<Edges>(jets.host_offsets, kSplit);
    prim::launch<Edges>({}, plan.grid, plan.shared_bytes,
                        {.nodes = nodes,
                         .split = kSplit,
                         .window = plan.window,
                         .span = memory_->span.get(),
                         .a = memory_->a.get(),
                         .b = memory_->b.get(),
                         .x = memory_->x.get(),
                         .weights = layer.edges(),
                         .biases = layer.biases(),
                         .gate_bias = layer.gate_bias(),
                         .message = memory_->message.get(),
                         .translation = memory_->translation.get()});
    using Nodes = NodeForward<Op, H, !kMoves>;
    prim::launch<Nodes>(
        {}, Nodes::blocks(nodes), 0,
        {.nodes = nodes,
         .scalars = scalars_,
         .message = memory_->message.get(),
         .features = jets.scalars,
         .weights = layer.update(),
         .vectors = layer.vectors(),
         .h = memory_->h.get(),
         .next = kMoves ? next.projection(memory_->a.get(), memory_->b.get()) : Projection<Op>{},
         .c_weight = c_weight_,
         .span = memory_->span.get(),
         .translation = memory_->translation.get(),
         .x = memory_->x.get()});
  }

  int scalars_, classes_;
  double c_weight_;
  DeviceArray<float> embedding_, decoder_;
  std::vector<std::unique_ptr<DeviceLayer<Op, H>>> layers_;
  std::unique_ptr<NodeMemory<H>> memory_;
};

}  // namespace lorentznet::cuda
