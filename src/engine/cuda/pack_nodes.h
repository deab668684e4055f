#pragma once

#include <vector>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// The weights of the node part in the order in which the kernels read them. Format offers what the
// products' operands are: Pair, and pack(low, high) on the host. Matrices are [outputs, inputs], as
// in a state dict, the batch norms folded in.

/// Columns first to first + H - 1 of a matrix [H, inputs].
struct MatrixPart {
  const float* weights;
  int inputs, first;

  float at(int output, int input) const {
    return weights[static_cast<long>(output) * inputs + first + input];
  }
};

/// Writes the groups of registers that multiply_group() reads.
template <typename Format, int H>
class FragmentWriter {
 public:
  using Pair = typename Format::Pair;
  using C = Channels<H>;

  explicit FragmentWriter(std::vector<Pair>& out) : out_(out) {}

  /// For multiply_rows(): for each group of positions all columns.
  void write_by_positions(const MatrixPart& matrix) {
    for (int k = 0; k < C::kTiles; k += width(k)) {
      for (int n = 0; n < C::kTiles; n += width(n)) write_group(matrix, n, k);
    }
  }
  /// For multiply_operands(): for each group of columns all positions.
  void write_by_columns(const MatrixPart& matrix) {
    for (int n = 0; n < C::kTiles; n += width(n)) {
      for (int k = 0; k < C::kTiles; k += width(k)) write_group(matrix, n, k);
    }
  }

 private:
  /// Tiles of the group that begins with a tile.
  static int width(int tile) { return tile < 2 * C::kPairs ? 2 : 1; }

  void write_group(const MatrixPart& matrix, int n, int k) {
    const int positions = width(k), count = width(n) * positions;
    const auto begin = out_.size();
    out_.resize(begin + static_cast<std::size_t>(count) * kWarpLanes);
    for (int r = 0; r < count; ++r) {
      for (int lane = 0; lane < kWarpLanes; ++lane) {
        const int output = C::of_column(n + r / positions, lane / 4), tile = k + r % positions;
        const auto weight = [&](int q) { return matrix.at(output, C::at(tile, lane % 4, q)); };
        constexpr int kWidest = 16 / sizeof(Pair);
        out_[begin + static_cast<std::size_t>(slot(count, r, lane, kWidest))] =
            Format::pack(weight(0), weight(1));
      }
    }
  }

  std::vector<Pair>& out_;
};

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
  FragmentWriter<Format, H> writer(packed);
  writer.write_by_columns({receivers, H, 0});
  writer.write_by_columns({senders, H, 0});
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
  FragmentWriter<Format, H> writer(packed.weights);
  writer.write_by_positions({in, inputs, 0});
  writer.write_by_positions({in, inputs, H});
  writer.write_by_columns({out, H, 0});
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
