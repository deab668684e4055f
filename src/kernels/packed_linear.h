#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "kernels/fused/engine.h"

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

}  // namespace lorentznet
