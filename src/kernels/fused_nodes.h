#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "kernels/fused_norm.h"
#include "kernels/groups.h"

namespace lorentznet {

// Linear layers over rows, and the node part of an LGEB: tensors on one side, an engine's plain
// pointers on the other. Arguments are contiguous tensors outside autograd's graph; backward()
// gives their gradients in the same order.

/// The weights of a Linear in the engine's order, and their memory.
template <typename T>
class PackedLinearTensor {
 public:
  /// \param weight [outputs, inputs] \param bias [outputs], or undefined
  /// \param widths  of the pieces that a row of inputs consists of
  PackedLinearTensor(const at::Tensor& weight, const at::Tensor& bias,
                     const std::vector<std::int64_t>& widths);

  const fused::PackedLinear<T>& get() const { return linear_; }

 private:
  at::Tensor memory_;
  fused::PackedLinear<T> linear_{};
};

/// Arguments of a FusedLinear.
enum LinearArgument : std::size_t {
  kRows,        ///< [N, inputs]
  kWeight,      ///< [outputs, inputs]
  kLinearBias,  ///< [outputs], or undefined
};

/// A Linear over rows.
template <typename T>
class FusedLinear {
 public:
  /// \param wants_rows  whether backward() gives the gradient of the rows
  FusedLinear(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments, bool wants_rows);

  /// [N, outputs]
  at::Tensor forward() const;
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  fused::RowPieces<const T> rows_of(const RowGroup& group) const;

  const fused::Engine<T>& engine_;
  bool wants_rows_;
  std::vector<at::Tensor> arguments_;
  std::vector<RowGroup> groups_;
  PackedLinearTensor<T> linear_;
};

/// Arguments of FusedNodes.
enum NodeArgument : std::size_t {
  kNodeH,        ///< [P, H] or [P+1, H]
  kNodeMessage,  ///< [P, H]
  kNodeScalars,  ///< [P, S] or [P+1, S]; without a gradient
  kNodeIn,
  kNodeInBias,
  kNodeGamma,
  kNodeBeta,
  kNodeOut,
  kNodeOutBias,
};

/// The node part of a layer for a batch.
template <typename T>
class FusedNodes {
 public:
  /// \param ghost_weight  of the last row in batch norm; 0: there is no ghost
  FusedNodes(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
             double ghost_weight);

  /// The new embeddings.
  /// \param most_kept  bytes that may be kept for the backward pass, which otherwise computes them
  ///                   again; none: no backward pass follows
  at::Tensor forward(torch::nn::BatchNorm1dImpl& norm,
                     const std::shared_ptr<const Communicator>& ranks,
                     std::optional<std::int64_t> most_kept);
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  struct Group : RowGroup {
    bool ghost;  ///< the ghost row alone
    double weight;
  };
  struct Sums;
  struct Gradients {
    at::Tensor h, message;
  };

  fused::RowPieces<const T> inputs(const Group& group) const;
  /// phi_h.0 of all rows.
  at::Tensor hidden() const;
  /// [2, H] double, sums of z and z^2.
  at::Tensor statistics(const at::Tensor& z) const;
  fused::NormValues norm_values() const;
  void backward_out(const Group& group, std::int64_t number, const at::Tensor& z,
                    const at::Tensor& gradient, const at::Tensor& r, Sums& sums) const;
  void backward_in(const Group& group, std::int64_t number, const at::Tensor& z,
                   const at::Tensor& norm_sums, const at::Tensor& r, const Gradients& to,
                   Sums& sums) const;

  const fused::Engine<T>& engine_;
  std::vector<at::Tensor> arguments_;
  std::int64_t hidden_;
  std::vector<Group> groups_;
  at::Tensor no_message_;  ///< [H] zero, the ghost's message
  PackedLinearTensor<T> in_, out_;
  FusedNorm norm_;
  at::Tensor z_;      ///< as h; phi_h.0 of all rows, if it is kept
  double count_ = 0;  ///< rows of this rank in the statistics
};

}  // namespace lorentznet
