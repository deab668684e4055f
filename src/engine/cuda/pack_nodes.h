#pragma once

#include <vector>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// The weights of the node part in the order in which the kernels read them. Format offers what the
// products' operands are: Pair, and pack(low, high) on the host. Matrices are [outputs, inputs], as
// in a state dict, the batch norms folded in.

/// Appends columns first to first + H - 1 of weights [H, inputs].
template <typename Format, int H>
void append_fragments(WeightOrder order, const float* weights, int inputs, int first,
                      std::vector<typename Format::Pair>& to) {
  using Pair = typename Format::Pair;
  const auto begin = to.size();
  to.resize(begin + kMatrixFragments<H>);
  for (int k = 0; k < kMatrixFragments<H>; ++k) {
    const MatrixRegister<H> at(k);
    const float* const row = weights + static_cast<long>(at.output()) * inputs + first;
    const int place = fragment_at<H>(order, at.n, at.k, at.lane, 16 / sizeof(Pair));
    to[begin + place] = Format::pack(row[at.input(0)], row[at.input(1)]);
  }
}

/// Appends the transpose of columns first to first + count - 1 of [outputs, inputs].
inline void append_transposed(const float* weights, int outputs, int inputs, int first, int count,
                              std::vector<float>& to) {
  for (int input = first; input < first + count; ++input) {
    for (int output = 0; output < outputs; ++output) {
      to.push_back(weights[static_cast<long>(output) * inputs + input]);
    }
  }
}

/// For Encode. \param weight [H, scalars] \param bias [H]
/// \return [1 + scalars, H]
template <int H>
std::vector<float> pack_embedding(const float* weight, const float* bias, int scalars) {
  std::vector<float> packed(bias, bias + H);
  append_transposed(weight, H, scalars, 0, scalars, packed);
  return packed;
}

/// For Projection; its bias stays as it is. \param receivers, senders [H, H]
template <typename Format, int H>
std::vector<typename Format::Pair> pack_projection(const float* receivers, const float* senders) {
  std::vector<typename Format::Pair> packed;
  append_fragments<Format, H>(WeightOrder::kByColumns, receivers, H, 0, packed);
  append_fragments<Format, H>(WeightOrder::kByColumns, senders, H, 0, packed);
  return packed;
}

template <typename Pair>
struct PackedUpdate {
  std::vector<Pair> weights;
  std::vector<float> vectors;  ///< [2 + scalars, H] in_bias, out_bias, weights of the scalars
};

/// For NodeForward. \param in [H, 2H + scalars] \param in_bias [H] \param out [H, H]
/// \param out_bias [H]
template <typename Format, int H>
PackedUpdate<typename Format::Pair> pack_update(const float* in, const float* in_bias,
                                                const float* out, const float* out_bias,
                                                int scalars) {
  PackedUpdate<typename Format::Pair> packed;
  const int inputs = 2 * H + scalars;
  append_fragments<Format, H>(WeightOrder::kByPositions, in, inputs, 0, packed.weights);
  append_fragments<Format, H>(WeightOrder::kByPositions, in, inputs, H, packed.weights);
  append_fragments<Format, H>(WeightOrder::kByColumns, out, H, 0, packed.weights);
  packed.vectors.assign(in_bias, in_bias + H);
  packed.vectors.insert(packed.vectors.end(), out_bias, out_bias + H);
  append_transposed(in, H, inputs, 2 * H, scalars, packed.vectors);
  return packed;
}

/// For Pool. \param in [H, H] \param in_bias [H] \param out [classes, H] \param out_bias [classes]
/// \return in transposed, in_bias, out, out_bias
template <int H>
std::vector<float> pack_decoder(const float* in, const float* in_bias, const float* out,
                                const float* out_bias, int classes) {
  std::vector<float> packed;
  append_transposed(in, H, H, 0, H, packed);
  packed.insert(packed.end(), in_bias, in_bias + H);
  packed.insert(packed.end(), out, out + static_cast<long>(classes) * H);
  packed.insert(packed.end(), out_bias, out_bias + classes);
  return packed;
}

}  // namespace lorentznet::cuda
