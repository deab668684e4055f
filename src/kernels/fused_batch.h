#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/fused/edge_engine.h"
#include "kernels/jet_schedule.h"

namespace lorentznet {

/// Order of the tensors that the edge part takes; a last layer has none from kMoveIn on.
enum EdgeArgument : std::size_t {
  kAB,  ///< [P, 2H] W_a h_i and W_b h_j
  kX,   ///< [P, 4]
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

/// What of the batch norm over edges both passes need. Statistics are of the batch in training,
/// else the running ones.
struct EdgeNorm {
  bool of_batch = false;
  std::vector<double> mean, inverse_sigma;  ///< [H]
  at::Tensor scale, shift;                  ///< [H] y = z scale + shift
};

/// A batch's edge part in one layer: tensors on one side, an engine's plain pointers on the other.
template <typename T>
class FusedBatch {
 public:
  FusedBatch(const fused::EdgeEngine<T>& engine, std::vector<std::int64_t> offsets,
             std::vector<at::Tensor> arguments);

  /// Sums over the batch's edges of z and z^2: [2, H] double.
  at::Tensor statistics() const;
  void set_norm(EdgeNorm norm);
  /// {message, translation}, or {message} in a last layer.
  /// \param keep  what the backward pass needs
  std::vector<at::Tensor> forward(bool keep);
  /// Gradients of the arguments, in their order, out of those of the results. Undefined is zero.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

  const EdgeNorm& norm() const { return norm_; }
  std::int64_t num_edges() const { return num_edges_; }

 private:
  struct NormGradients;
  /// What the backward pass keeps between its halves.
  struct BackwardArrays {
    at::Tensor message, translation, receivers, senders, s, t;
    fused::JetBackward<T> of(const FusedBatch& batch, std::int64_t index) const;
  };

  bool moves() const { return arguments_.size() == kNumEdgeArguments; }
  const T* data(EdgeArgument which) const;
  fused::LayerParameters<T> parameters() const;
  fused::PackedLayer<T> packed(at::Tensor& memory) const;
  fused::Normalisation<T> normalisation() const;
  fused::JetInput<T> jet(std::int64_t index) const;
  BackwardArrays backward_arrays(const std::vector<at::Tensor>& gradients) const;

  const fused::EdgeEngine<T>& engine_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> pairs_, signs_;  ///< [J+1] where each jet's arrays begin
  std::int64_t num_edges_ = 0;
  JetSchedule schedule_;
  std::vector<at::Tensor> arguments_;
  std::int64_t hidden_;
  EdgeNorm norm_;
  at::Tensor phi_, kept_signs_;
};

}  // namespace lorentznet
