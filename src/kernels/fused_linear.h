#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <vector>

#include "engine/engine.h"
#include "kernels/groups.h"

namespace lorentznet {

/// The weights of a Linear in an engine's order, and their memory.
template <typename T>
class PackedLinearTensor {
 public:
  /// \param weight [outputs, inputs], contiguous \param bias [outputs], contiguous, or undefined;
  /// it must outlive this
  PackedLinearTensor(const fused::Engine<T>& engine, const at::Tensor& weight,
                     const at::Tensor& bias)
      : memory_(at::empty({2, weight.numel()}, weight.options())), bias_(bias) {
    T* const packed = memory_.mutable_data_ptr<T>();
    linear_ = {.inputs = static_cast<int>(weight.size(1)),
               .outputs = static_cast<int>(weight.size(0)),
               .forward = packed,
               .transposed = packed + weight.numel(),
               .bias = bias.defined() ? bias_.const_data_ptr<T>() : nullptr};
    engine.pack_linear(weight.const_data_ptr<T>(), linear_);
  }

  const fused::PackedLinear<T>& get() const { return linear_; }

 private:
  at::Tensor memory_, bias_;
  fused::PackedLinear<T> linear_{};
};

/// Order of the tensors that a Linear takes.
enum LinearArgument : std::size_t {
  kRows,        ///< [N, inputs]
  kWeight,      ///< [outputs, inputs]
  kLinearBias,  ///< [outputs], or undefined
};

/// A Linear over rows, in groups that depend on their number alone; sums are added in the groups'
/// order, so that they have the same bits for any number of threads.
template <typename T>
class FusedLinear {
 public:
  /// \param wants_rows  backward() gives the gradient of the rows
  FusedLinear(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments, bool wants_rows);

  /// [N, outputs]
  at::Tensor forward() const;
  /// Gradients of the arguments, in their order; undefined is that of an undefined bias.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  fused::RowPieces<const T> rows_of(const RowGroup& group) const;

  const fused::Engine<T>& engine_;
  bool wants_rows_;
  std::vector<at::Tensor> arguments_;
  std::vector<RowGroup> groups_;
  PackedLinearTensor<T> linear_;
};

}  // namespace lorentznet
