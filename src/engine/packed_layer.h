#pragma once

namespace lorentznet::fused {

/// Parameters of an LGEB's edge part: contiguous arrays, as in the state dict.
template <typename T>
struct LayerParameters {
  int hidden;              ///< H
  const T *u, *v;          ///< [H] the last two columns of phi_e.0
  const T* scale;          ///< [H] gamma / sigma of the batch norm
  const T* edge_out;       ///< [H, H]
  const T* edge_out_bias;  ///< [H]
  const T* gate;           ///< [H]
  const T* gate_bias;      ///< [1]
  const T* move_in;        ///< [H, H]; null in the last layer, as are the next two
  const T* move_in_bias;   ///< [H]
  const T* move_out;       ///< [H]
};

/// The same as the kernel reads it.
template <typename T>
struct PackedLayer {
  int hidden;
  bool moves;  ///< not the last layer
  T gate_bias;
  T *u, *v;                                           ///< [H] times scale
  T *edge_out_bias, *gate, *move_in_bias, *move_out;  ///< [H]
  T* edge_out;                                        ///< product of edge_out
  T* edge_out_transposed;                             ///< of its transpose, for the backward pass
  T* move_in;
  T* move_in_transposed;  ///< of move_in^T diag(move_out)
};

}  // namespace lorentznet::fused
