#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "kernels/fused_nodes.h"
#include "kernels/fused_norm.h"
#include "kernels/groups.h"
#include "kernels/kernel.h"

namespace lorentznet {

/// Arguments of FusedEdges; a last layer has none from kMoveIn on.
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

/// The edge part of a layer for a batch. (What fused_nodes.h says of arguments holds here too.)
template <typename T>
class FusedEdges {
 public:
  FusedEdges(const fused::Engine<T>& engine, const JetGraph& graph,
             std::vector<at::Tensor> arguments);

  /// {message, translation}, or {message} in a last layer.
  /// \param most_kept  bytes that may be kept for the backward pass besides what it cannot compute
  ///                   again: of the first jets, until there are so many; none: no backward pass
  ///                   follows
  std::vector<at::Tensor> forward(torch::nn::BatchNorm1dImpl& norm,
                                  const std::shared_ptr<const Communicator>& ranks,
                                  std::optional<std::int64_t> most_kept);
  /// \param gradients  of the results; undefined means zero
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  struct NormGradients;
  /// What the backward pass keeps between its halves.
  struct BackwardArrays {
    at::Tensor message, translation, receivers, senders, s, t;
    fused::JetBackward<T> of(const FusedEdges& batch, std::int64_t index) const;
  };

  /// What is kept of a jet's edges, if it is, in memory of its size.
  struct KeptJet {
    std::unique_ptr<std::uint64_t[]> masks;
    std::unique_ptr<T[]> numbers;  ///< gates, then the elements of e
  };

  bool moves() const { return arguments_.size() == kNumEdgeArguments; }
  const T* data(EdgeArgument which) const;
  fused::LayerParameters<T> parameters() const;
  fused::JetInput<T> jet(std::int64_t index, const at::Tensor& a_b) const;
  at::Tensor statistics() const;
  fused::KeptEdges<T> kept(std::int64_t index) const;
  void forward_kept(std::int64_t index, const fused::PackedLayer<T>& layer,
                    fused::JetForward<T> out);
  BackwardArrays backward_arrays(const std::vector<at::Tensor>& gradients) const;
  void add_weight_gradients(const at::Tensor& rows, std::vector<at::Tensor>& result) const;

  const fused::Engine<T>& engine_;
  std::vector<std::int64_t> offsets_;
  std::int64_t num_edges_;
  JetSchedule schedule_;
  std::vector<at::Tensor> arguments_;
  std::int64_t hidden_;
  FusedNorm norm_;
  FusedLinear<T> projection_;
  std::vector<std::int64_t> pairs_;  ///< [J+1] where each jet's pairs begin
  /// [P, 2H] W_a h_i and W_b h_j of all nodes; undefined after the forward pass unless it is kept.
  at::Tensor a_b_;
  at::Tensor phi_;             ///< of JetForward, if it is kept
  std::vector<KeptJet> kept_;  ///< [J]
  std::atomic<std::int64_t> bytes_kept_ = 0;
};

}  // namespace lorentznet
