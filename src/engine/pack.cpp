#include "engine/pack.h"

#include <algorithm>
#include <utility>

#include "engine/simd.h"

namespace lorentznet::fused {

long row_elements(int width) { return padded(width); }

template <typename T>
void pack_inputs(const T* weight, int outputs, int inputs, T* packed) {
  const long step = padded(outputs);
  std::fill_n(packed, inputs * step, T{0});
  for (int c = 0; c < inputs; ++c) {
    for (int k = 0; k < outputs; ++k) {
      packed[c * step + k] = weight[static_cast<long>(k) * inputs + c];
    }
  }
}

template <typename T>
void pack_rows(const T* weight, int rows, int columns, T* packed) {
  const long step = padded(columns);
  std::fill_n(packed, rows * step, T{0});
  for (int row = 0; row < rows; ++row) {
    std::copy_n(weight + static_cast<long>(row) * columns, columns, packed + row * step);
  }
}

long layer_elements(int hidden) { return (4L * hidden + 6) * padded(hidden); }

template <typename T>
PackedLayer<T> pack_layer(const LayerParameters<T>& p, T* memory) {
  const int hidden = p.hidden;
  const long step = padded(hidden), matrix = hidden * step;
  std::fill_n(memory, layer_elements(hidden), T{0});
  const auto take = [&](long count) { return std::exchange(memory, memory + count); };
  PackedLayer<T> to{.hidden = hidden,
                    .moves = p.move_in != nullptr,
                    .gate_bias = *p.gate_bias,
                    .u = take(step),
                    .v = take(step),
                    .edge_out_bias = take(step),
                    .gate = take(step),
                    .move_in_bias = take(step),
                    .move_out = take(step),
                    .edge_out = take(matrix),
                    .edge_out_rows = take(matrix),
                    .move_in = take(matrix),
                    .move_in_rows = take(matrix)};
  for (int c = 0; c < hidden; ++c) {
    to.u[c] = p.u[c] * p.scale[c];
    to.v[c] = p.v[c] * p.scale[c];
  }
  std::copy_n(p.edge_out_bias, hidden, to.edge_out_bias);
  std::copy_n(p.gate, hidden, to.gate);
  pack_inputs(p.edge_out, hidden, hidden, to.edge_out);
  pack_rows(p.edge_out, hidden, hidden, to.edge_out_rows);
  if (!to.moves) return to;
  std::copy_n(p.move_in_bias, hidden, to.move_in_bias);
  std::copy_n(p.move_out, hidden, to.move_out);
  pack_inputs(p.move_in, hidden, hidden, to.move_in);
  pack_rows(p.move_in, hidden, hidden, to.move_in_rows);
  for (int k = 0; k < hidden; ++k) {
    for (int c = 0; c < hidden; ++c) to.move_in_rows[k * step + c] *= p.move_out[k];
  }
  return to;
}

template void pack_inputs(const float*, int, int, float*);
template void pack_inputs(const double*, int, int, double*);
template void pack_rows(const float*, int, int, float*);
template void pack_rows(const double*, int, int, double*);
template PackedLayer<float> pack_layer(const LayerParameters<float>&, float*);
template PackedLayer<double> pack_layer(const LayerParameters<double>&, double*);

}  // namespace lorentznet::fused
