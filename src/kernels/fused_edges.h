#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <utility>
#include <vector>

#include "engine/engine.h"
#include "kernels/fused_linear.h"
#include "kernels/fused_norm.h"
#include "kernels/groups.h"
#include "kernels/kernel.h"

namespace lorentznet {

/// Order of the tensors that the edge part takes; a last layer has none from kMoveIn on.
enum EdgeArgument : std::size_t {
  kH,        ///< [P, H]
  kX,        ///< [P, 4]
  kProject,  ///< [2H, H] W_a above W_b, of phi_e.0
  kU,
  kV,
  kGamma,
  kBeta,
  kEdgeOut,
  kEdgeOutBias,
  kGate,
  kGateBias,
  kMoveIn,
  kMoveInBias,
  kMoveOut,
  kNumEdgeArguments
};

/// What a forward pass keeps for the backward pass.
enum class Kept {
  kNothing,
  kLeast,  ///< what it can't compute again
  kAll,    ///< the projections and phi_x.0's signs too
};

/// A batch's edge part in one layer: tensors on one side, an engine's plain pointers on the other.
template <typename T>
class FusedEdges {
 public:
  FusedEdges(const fused::Engine<T>& engine, std::vector<std::int64_t> offsets,
             std::vector<at::Tensor> arguments);

  /// First step: W_a h_i and W_b h_j of all nodes. \return if asked, sums over the batch's edges
  /// of z and z^2, [2, H] double
  at::Tensor project(bool with_statistics);
  void set_norm(FusedNorm norm);
  /// Second step: {message, translation}, or {message} in a last layer.
  std::vector<at::Tensor> forward(Kept kept);
  /// Bytes that Kept::kAll has beyond kLeast.
  std::int64_t size_of_all() const;
  /// Gradients of the arguments, in their order, out of those of the results. Undefined is zero.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

  std::int64_t num_edges() const { return num_edges_; }

 private:
  struct NormGradients;
  /// What the backward pass keeps between its halves.
  struct BackwardArrays {
    at::Tensor message, translation, receivers, senders, s, t;
    fused::JetBackward<T> of(const FusedEdges& batch, std::int64_t index) const;
  };

  bool moves() const { return arguments_.size() == kNumEdgeArguments; }
  const T* data(EdgeArgument which) const;
  fused::LayerParameters<T> parameters() const;
  fused::JetInput<T> jet(std::int64_t index, const at::Tensor& a_b) const;
  BackwardArrays backward_arrays(const std::vector<at::Tensor>& gradients) const;

  const fused::Engine<T>& engine_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> pairs_, signs_;  ///< [J+1] where each jet's arrays begin
  std::int64_t num_edges_ = 0;
  JetSchedule schedule_;
  std::vector<at::Tensor> arguments_;
  std::int64_t hidden_;
  FusedNorm norm_;
  FusedLinear<T> projection_;  ///< W_a h_i and W_b h_j of all nodes, [P, 2H]
  at::Tensor a_b_;             ///< [P, 2H]; after the forward pass only with Kept::kAll
  at::Tensor phi_, kept_signs_;
};

/// An LGEB's edge part in an engine's order, and its memory.
template <typename T>
class PackedLayerTensor {
 public:
  PackedLayerTensor(const fused::Engine<T>& engine, const fused::LayerParameters<T>& parameters,
                    at::TensorOptions options)
      : memory_(at::empty({4L * parameters.hidden * parameters.hidden + 6L * parameters.hidden},
                          options)) {
    T* at = memory_.mutable_data_ptr<T>();
    const auto take = [&](std::int64_t count) { return std::exchange(at, at + count); };
    const std::int64_t h = parameters.hidden;
    layer_ = {.hidden = parameters.hidden,
              .moves = parameters.move_in != nullptr,
              .gate_bias = 0,
              .u = take(h),
              .v = take(h),
              .edge_out_bias = take(h),
              .gate = take(h),
              .move_in_bias = take(h),
              .move_out = take(h),
              .edge_out = take(h * h),
              .edge_out_transposed = take(h * h),
              .move_in = take(h * h),
              .move_in_transposed = take(h * h)};
    engine.pack(parameters, layer_);
  }

  const fused::PackedLayer<T>& get() const { return layer_; }

 private:
  at::Tensor memory_;
  fused::PackedLayer<T> layer_{};
};

}  // namespace lorentznet
