#pragma once

#include "engine/edge_sums.h"

namespace lorentznet::fused {

// The weight gradients contract over edges, which lie in the lanes. One operand is transposed so
// that a vector holds two edges of kLanes / 2 channels; the other gives two edges of one channel,
// broadcast as one number of twice the width. No sum across lanes is left but that of the two.

/// Channels, in whole vectors of the transposed operand.
template <typename Simd>
constexpr int paired_channels(int channels) {
  return (channels + kHalf<Simd> - 1) / kHalf<Simd> * kHalf<Simd>;
}

/// A tile's values [channel][kEdgeVectors][kLanes], times weight, as
/// [vector of edges][pair of edges][channel][2].
template <typename Simd>
void transpose_pairs(const typename Simd::Scalar* values, const Vector<Simd>* weight, int channels,
                     int vectors, typename Simd::Scalar* out) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes, kPairs = kHalf<Simd>;
  for (int q = 0; q < vectors; ++q) {
    for (int c = 0; c < channels; c += kPairs) {
      V x[kPairs];
      unroll<kPairs>([&](auto k) __attribute__((always_inline)) {
        x[k] = weight[q] * load<V>(values + (c + k) * kTileRow<Simd> + q * N);
      });
      transpose_units<Simd, 2>(x);
      unroll<kPairs>([&](auto k) __attribute__((always_inline)) {
        store(out + ((q * kPairs + k) * channels + c) * 2, x[k]);
      });
    }
  }
}

/// Tiles whose weight gradients are summed at once.
inline constexpr int kChunk = 6;

/// Left and right operand of a chunk of tiles.
template <typename Simd>
struct PairedTiles {
  const typename Simd::Scalar* left;   ///< [tile][rows][kEdgeVectors][kLanes]
  const typename Simd::Scalar* right;  ///< [tile][pair of edges][channels][2]
  int rows, channels;
  int tiles;
  const int* vectors;  ///< of each tile
};

/// sums[k][c] += sum over pairs of edges of left[k] right[c], for K outputs and R vectors of c.
template <typename Simd, int R, int K>
void pair_block(const PairedTiles<Simd>& in, int first, int vector, typename Simd::Scalar* sums) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes, kRow = kTileRow<Simd>;
  const int width = 2 * in.channels;
  auto* const base = sums + static_cast<long>(first) * width + vector * N;
  V total[K][R];
  unroll<K>([&](auto k) __attribute__((always_inline)) {
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      total[k][r] = load<V>(base + k * width + r * N);
    });
  });
  for (int tile = 0; tile < in.tiles; ++tile) {
    const auto* left = in.left + (static_cast<long>(tile) * in.rows + first) * kRow;
    const auto* right = in.right + static_cast<long>(tile) * (kRow / 2) * width + vector * N;
    const auto* const end = left + in.vectors[tile] * N;
    for (; left < end; left += 2, right += width) {
      V x[R];
      unroll<R>([&](auto r) __attribute__((always_inline)) { x[r] = load<V>(right + r * N); });
      unroll<K>([&](auto k) __attribute__((always_inline)) {
        const V y = Simd::broadcast_pair(left + k * kRow);
        unroll<R>([&](auto r) __attribute__((always_inline)) { total[k][r] += y * x[r]; });
      });
    }
  }
  unroll<K>([&](auto k) __attribute__((always_inline)) {
    unroll<R>([&](auto r)
                  __attribute__((always_inline)) { store(base + k * width + r * N, total[k][r]); });
  });
}

template <typename Simd, int R, int K = Simd::kOutputs>
void pair_block_of_size(int size, const PairedTiles<Simd>& in, int first, int vector,
                        typename Simd::Scalar* sums) {
  if constexpr (K >= kFewestOutputs<Simd>) {
    if (size == K) return pair_block<Simd, R, K>(in, first, vector, sums);
    pair_block_of_size<Simd, R, K - 1>(size, in, first, vector, sums);
  }
}

/// sums[k][c][2] += sum over pairs of edges of left[k] right[c], k < outputs.
template <typename Simd>
void pair_product(const PairedTiles<Simd>& in, int outputs, typename Simd::Scalar* sums) {
  const OutputBlocks columns(2 * in.channels / Simd::kLanes, kEdgeVectors);
  const OutputBlocks rows(outputs, Simd::kOutputs);
  for (int column = 0, vector = 0; column < columns.count; ++column) {
    const int wide = columns.size + (column < columns.larger ? 1 : 0);
    for (int row = 0, first = 0; row < rows.count; ++row) {
      const int size = rows.size + (row < rows.larger ? 1 : 0);
      if (wide == 3) pair_block_of_size<Simd, 3>(size, in, first, vector, sums);
      if (wide == 2) pair_block_of_size<Simd, 2>(size, in, first, vector, sums);
      if (wide == 1) pair_block_of_size<Simd, 1>(size, in, first, vector, sums);
      first += size;
    }
    vector += wide;
  }
}

}  // namespace lorentznet::fused
