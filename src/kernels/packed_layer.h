#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <utility>

#include "kernels/fused/engine.h"
#include "lorentznet/edge_kernel.h"

namespace lorentznet {

/// An LGEB's edge part in an engine's order, and its memory.
template <typename T>
class PackedLayerTensor {
 public:
  PackedLayerTensor(const fused::InferenceEngine<T>& engine,
                    const fused::LayerParameters<T>& parameters, at::TensorOptions options)
      : memory_(at::empty({4L * parameters.hidden * parameters.hidden + 6L * parameters.hidden},
                          options)) {
    pack(engine, parameters);
  }

  /// For inference. \param scale [H] of the batch norm
  PackedLayerTensor(const fused::InferenceEngine<T>& engine, const EdgeParameters& p,
                    const at::Tensor& scale)
      : memory_(
            at::empty({4 * scale.numel() * scale.numel() + 6 * scale.numel()}, scale.options())) {
    const auto hidden = scale.numel();
    const bool moves = !p.move_in.is_empty();
    const auto u = p.edge_in->weight.detach().select(1, 2 * hidden).contiguous();
    const auto v = p.edge_in->weight.detach().select(1, 2 * hidden + 1).contiguous();
    const auto data = [](const at::Tensor& tensor) { return tensor.const_data_ptr<T>(); };
    pack(engine, {.hidden = static_cast<int>(hidden),
                  .u = data(u),
                  .v = data(v),
                  .scale = data(scale),
                  .edge_out = data(p.edge_out->weight),
                  .edge_out_bias = data(p.edge_out->bias),
                  .gate = data(p.gate->weight),
                  .gate_bias = data(p.gate->bias),
                  .move_in = moves ? data(p.move_in->weight) : nullptr,
                  .move_in_bias = moves ? data(p.move_in->bias) : nullptr,
                  .move_out = moves ? data(p.move_out->weight) : nullptr});
  }

  const fused::PackedLayer<T>& get() const { return layer_; }

 private:
  void pack(const fused::InferenceEngine<T>& engine, const fused::LayerParameters<T>& parameters) {
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

  at::Tensor memory_;
  fused::PackedLayer<T> layer_{};
};

}  // namespace lorentznet
