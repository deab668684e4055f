#pragma once

#include "engine/packed_layer.h"
#include "engine/product.h"

namespace lorentznet::fused {

/// Fills `to`, whose arrays are laid out.
template <typename Simd>
void pack_layer(const LayerParameters<typename Simd::Scalar>& p,
                PackedLayer<typename Simd::Scalar>& to) {
  using T = typename Simd::Scalar;
  using Dot = typename Simd::Dot;
  const int hidden = p.hidden;
  to.gate_bias = *p.gate_bias;
  for (int c = 0; c < hidden; ++c) {
    to.u[c] = p.u[c] * p.scale[c];
    to.v[c] = p.v[c] * p.scale[c];
    to.edge_out_bias[c] = p.edge_out_bias[c];
    to.gate[c] = p.gate[c];
  }
  pack_joined<Dot>(p.edge_out, hidden, hidden, to.edge_out);
  pack_weights<Simd>(p.edge_out, 1, hidden, hidden, hidden, to.edge_out_transposed);
  if (!to.moves) return;
  Buffer<Simd, T> scaled(static_cast<long>(hidden) * hidden);
  for (int k = 0; k < hidden; ++k) {
    to.move_in_bias[k] = p.move_in_bias[k];
    to.move_out[k] = p.move_out[k];
    for (int c = 0; c < hidden; ++c)
      scaled[k * hidden + c] = p.move_in[k * hidden + c] * p.move_out[k];
  }
  pack_joined<Dot>(p.move_in, hidden, hidden, to.move_in);
  pack_weights<Simd>(scaled.get(), 1, hidden, hidden, hidden, to.move_in_transposed);
}

}  // namespace lorentznet::fused
