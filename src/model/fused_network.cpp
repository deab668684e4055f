#include "model/fused_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <torch/utils.h>

#include <deque>
#include <utility>

#include "engine/engine_choice.h"
#include "kernels/fused_edges.h"
#include "kernels/fused_norm.h"
#include "kernels/groups.h"

namespace lorentznet {
namespace {

template <typename T>
class FusedNetworkOf final : public FusedNetwork {
 public:
  FusedNetworkOf(const fused::InferenceEngine<T>& engine, const NetworkParts& parts);
  at::Tensor forward(const Batch& batch) const override;

 private:
  /// A tensor of this network's own, as plain memory.
  T* keep(const at::Tensor& tensor) {
    kept_.push_back(tensor.detach().to(type_).contiguous().clone());
    return kept_.back().template mutable_data_ptr<T>();
  }
  using Pack = void (fused::InferenceEngine<T>::*)(const T*, int, int, T*) const;
  T* keep_packed(const at::Tensor& weight, Pack pack) {
    const auto from = weight.detach().to(type_).contiguous();
    const auto outputs = static_cast<int>(from.size(0)), inputs = static_cast<int>(from.size(1));
    T* const packed = keep(from);
    (engine_.*pack)(from.template const_data_ptr<T>(), outputs, inputs, packed);
    return packed;
  }
  T* keep_product(const at::Tensor& weight) {
    return keep_packed(weight, &fused::InferenceEngine<T>::pack_product);
  }
  /// Of bfloat16 where the engine is.
  T* keep_dot(const at::Tensor& weight) {
    return keep_packed(weight, &fused::InferenceEngine<T>::pack_dot);
  }
  void add_layer(const EdgeParameters& edge, const NodeParameters& node);

  const fused::InferenceEngine<T>& engine_;
  at::ScalarType type_;
  std::vector<at::Tensor> kept_;
  std::deque<PackedLayerTensor<T>> edge_tensors_;
  std::vector<fused::PackedLayer<T>> edges_;
  std::vector<fused::PackedNodes<T>> nodes_;
  fused::PackedNetwork<T> network_{};
};

template <typename T>
FusedNetworkOf<T>::FusedNetworkOf(const fused::InferenceEngine<T>& engine,
                                  const NetworkParts& parts)
    : engine_(engine), type_(parts.embedding->weight.scalar_type()) {
  for (const auto& block : parts.blocks) add_layer(block->edge(), block->node());
  network_ = {.hidden = static_cast<int>(parts.embedding->weight.size(0)),
              .scalars = static_cast<int>(parts.embedding->weight.size(1)),
              .classes = static_cast<int>(parts.decode_out->weight.size(0)),
              .layers = static_cast<int>(parts.blocks.size()),
              .c_weight = parts.c_weight,
              .embedding = keep_product(parts.embedding->weight),
              .embedding_bias = keep(parts.embedding->bias),
              .decode_in = keep(parts.decode_in->weight),
              .decode_in_bias = keep(parts.decode_in->bias),
              .decode_out = keep(parts.decode_out->weight),
              .decode_out_bias = keep(parts.decode_out->bias),
              .edges = edges_.data(),
              .nodes = nodes_.data()};
}

/// Batch norm y = z scale + shift goes into the Linear before it. The projections stay in float:
/// rounding them moved probabilities more than rounding all else, for 1 % of the time.
template <typename T>
void FusedNetworkOf<T>::add_layer(const EdgeParameters& edge, const NodeParameters& node) {
  const auto edge_norm = running_norm(*edge.edge_norm.ptr());
  edge_tensors_.emplace_back(engine_, edge, edge_norm.scale);
  edges_.push_back(edge_tensors_.back().get());

  const auto hidden = edge.edge_out->weight.size(0);
  const auto scale = edge_norm.scale.unsqueeze(1), weight = edge.edge_in->weight.detach();
  const auto project =
      at::cat({weight.narrow(1, 0, hidden) * scale, weight.narrow(1, hidden, hidden) * scale});
  const auto norm = running_norm(*node.node_norm.ptr());
  nodes_.push_back(
      {.project = keep_product(project),
       .project_bias = keep(at::cat({edge_norm.shift, at::zeros_like(edge_norm.shift)})),
       .in = keep_dot(node.node_in->weight * norm.scale.unsqueeze(1)),
       .in_bias = keep(node.node_in->bias * norm.scale + norm.shift),
       .out = keep_dot(node.node_out->weight),
       .out_bias = keep(node.node_out->bias)});
}

template <typename T>
at::Tensor FusedNetworkOf<T>::forward(const Batch& batch) const {
  const auto p4 = batch.p4.contiguous();
  const auto scalars = batch.scalars.to(type_).contiguous();
  const auto n_nodes = batch.n_nodes.to(type_).contiguous();
  const auto logits = at::empty({batch.num_jets(), network_.classes}, scalars.options());
  JetSchedule(batch.offsets).for_each_jet([&](std::int64_t jet) {
    const auto begin = batch.offsets[jet];
    const fused::JetNodes<T> nodes{
        .n = static_cast<int>(batch.offsets[jet + 1] - begin),
        .x = p4.const_data_ptr<double>() + 4 * begin,
        .scalars = scalars.template const_data_ptr<T>() + network_.scalars * begin,
        .n_nodes = n_nodes.template const_data_ptr<T>()[jet]};
    engine_.infer(network_, nodes, logits.template mutable_data_ptr<T>() + network_.classes * jet);
  });
  return logits;
}

}  // namespace

std::unique_ptr<const FusedNetwork> pack_network(const NetworkParts& parts, Isa isa,
                                                 Precision precision) {
  const auto make = [&]<typename T>(const fused::InferenceEngine<T>& engine) {
    return std::make_unique<FusedNetworkOf<T>>(engine, parts);
  };
  if (parts.embedding->weight.scalar_type() == at::kDouble) {
    return make(inference_engine_of<double>(isa, precision));
  }
  return make(inference_engine_of<float>(isa, precision));
}

PackedNetworkCache::PackedNetworkCache(NetworkParts parts, std::vector<at::Tensor> tensors, Isa isa,
                                       Precision precision)
    : parts_(std::move(parts)), tensors_(std::move(tensors)), isa_(isa), precision_(precision) {}

std::shared_ptr<const FusedNetwork> PackedNetworkCache::get() {
  const std::lock_guard lock(mutex_);
  std::vector<State> state;
  bool known = true;
  for (const auto& tensor : tensors_) {
    known = known && !tensor.is_inference();  // such a tensor does not count its changes
    state.push_back({tensor.const_data_ptr(), known ? tensor._version() : 0});
  }
  if (packed_ == nullptr || !known || state != packed_state_) {
    const torch::NoGradGuard no_grad;
    packed_ = pack_network(parts_, isa_, precision_);
    packed_state_ = std::move(state);
  }
  return packed_;
}

}  // namespace lorentznet
