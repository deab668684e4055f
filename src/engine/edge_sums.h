#pragma once

#include "engine/edge_tile.h"

namespace lorentznet::fused {

// Arrays of a tile's edges are [channel][kEdgeVectors][kLanes].

template <typename Simd>
inline constexpr int kTileRow = kEdgeVectors* Simd::kLanes;

/// What the nodes and pairs of a jet give to an edge: z_ij = a_i + b_j + u s_ij + v t_ij.
template <typename Simd>
struct EdgeTerms {
  const typename Simd::Scalar *a, *b;  ///< [block][H][kLanes]; b with one block more
  const typename Simd::Scalar *u, *v;  ///< [H]
  const typename Simd::Scalar *s, *t;  ///< [sender][receiver]
};

/// relu(z) of a tile's R vectors, as products of type Dot take them: one channel after the other,
/// or two joined, of which an odd last one is joined with zero.
template <typename Simd, typename Dot, int R>
void edge_inputs(const EdgeTile<Simd>& tile, const JetShape<Simd>& shape, int hidden,
                 const EdgeTerms<Simd>& terms, typename Simd::Scalar* out) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  const long block = static_cast<long>(hidden) * N;
  const auto* a = terms.a + tile.block * block;
  const typename Simd::Scalar *low[R], *high[R];
  V s[R], t[R];
  bool one_sender = !tile.flat;
  for (int q = 0; q < R; ++q) {
    s[q] = from_pairs(tile, q, shape, terms.s);
    t[q] = from_pairs(tile, q, shape, terms.t);
    low[q] = terms.b + tile.sender_block(q) * block;
    high[q] = low[q] + block;
    if (!tile.flat) {
      low[q] += tile.low[q] % N;
      high[q] = terms.b + tile.high[q] / N * block + tile.high[q] % N;
    }
    one_sender = one_sender && !tile.mixed[q];
  }
  const auto channel = [&](int c, auto b_of, V* values) __attribute__((always_inline)) {
    const V receivers = load<V>(a + c * N);
    const V u = broadcast<V>(terms.u[c]), v = broadcast<V>(terms.v[c]);
    unroll<R>([&](auto q) __attribute__((always_inline)) {
      const V from = tile.flat ? Simd::permute(receivers, tile.receiver[q]) : receivers;
      values[q] = Simd::relu(from + b_of(q, c * N) + u * s[q] + v * t[q]);
    });
  };
  const auto run = [&](auto b_of) __attribute__((always_inline)) {
    auto* to = out;
    for (int c = 0; c < hidden; c += Dot::kChannels, to += kTileRow<Simd>) {
      V values[R], next[R] = {};
      channel(c, b_of, values);
      if constexpr (Dot::kChannels == 2) {
        if (c + 1 < hidden) channel(c + 1, b_of, next);
        for (int q = 0; q < R; ++q) values[q] = Dot::join(values[q], next[q]);
      }
      unroll<R>([&](auto q) __attribute__((always_inline)) { store(to + q * N, values[q]); });
    }
  };
  if (one_sender) {
    run([&](auto q, int at) __attribute__((always_inline)) { return broadcast<V>(low[q][at]); });
  } else if (!tile.flat) {
    run([&](auto q, int at) __attribute__((always_inline)) {
      return tile.sender[q] ? broadcast<V>(high[q][at]) : broadcast<V>(low[q][at]);
    });
  } else {
    run([&](auto q, int at) __attribute__((always_inline)) {
      return Simd::permute(load<V>(low[q] + at), load<V>(high[q] + at), tile.sender[q]);
    });
  }
}

/// Lanes that hold edges of receiver 0, 1, ... of a flat tile's block: for the k-th edge of each
/// receiver in a vector, its lane, or -1.
template <typename Simd>
Integers<Simd> lanes_of_receivers(const EdgeTile<Simd>& tile, int q, int left, int k) {
  constexpr int N = Simd::kLanes;
  Integers<Simd> lanes = Integers<Simd>{} - 1;
  for (int lane = k * left; lane < N && lane < (k + 1) * left; ++lane) {
    if (q * N + lane < tile.used) lanes[tile.receiver[q][lane]] = lane;
  }
  return lanes;
}

/// rows[i][c] += sum of weight * values over the edges to receiver i. \param rows
/// [block][H][kLanes]
template <typename Simd>
void add_to_receivers(const EdgeTile<Simd>& tile, const JetShape<Simd>& shape, int hidden,
                      const typename Simd::Scalar* values, const Vector<Simd>* weight,
                      typename Simd::Scalar* rows) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  auto* row = rows + static_cast<long>(tile.block) * hidden * N;
  if (!tile.flat) {
    for (int c = 0; c < hidden; ++c) {
      V sum = load<V>(row + c * N);
      for (int q = 0; q < tile.vectors; ++q) {
        sum += weight[q] * load<V>(values + c * kTileRow<Simd> + q * N);
      }
      store(row + c * N, sum);
    }
    return;
  }
  for (int q = 0; q < tile.vectors; ++q) {
    const auto* from = values + q * N;
    for (int k = 0; k * shape.left < N; ++k) {
      const auto lanes = lanes_of_receivers(tile, q, shape.left, k);
      for (int c = 0; c < hidden; ++c) {
        const V sent =
            Simd::permute(weight[q] * load<V>(from + c * kTileRow<Simd>), lanes & (N - 1));
        store(row + c * N, load<V>(row + c * N) + (lanes >= 0 ? sent : V{}));
      }
    }
  }
}

/// One level of a sum across lanes: lanes without bit D hold sums of a, the others of b.
template <typename Simd, int D>
[[gnu::always_inline]] inline Vector<Simd> fold(Vector<Simd> a, Vector<Simd> b) {
  constexpr int N = Simd::kLanes;
  return [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
    return __builtin_shufflevector(a, b, ((l & D) != 0 ? N + l : l)...) +
           __builtin_shufflevector(a, b, ((l & D) != 0 ? N + l - D : l + D)...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// Lane l of the result: the sum of the lanes of x[l].
template <typename Simd, int D = 1>
[[gnu::always_inline]] inline Vector<Simd> sums_across(Vector<Simd>* x) {
  if constexpr (D == Simd::kLanes) {
    return x[0];
  } else {
    for (int k = 0; k < Simd::kLanes; k += 2 * D) x[k] = fold<Simd, D>(x[k], x[k + D]);
    return sums_across<Simd, 2 * D>(x);
  }
}

/// columns[j][c] += sum over the lanes of vector q with `mask`.
template <typename Simd, bool kMasked>
void add_lanes(const typename Simd::Scalar* values, Integers<Simd> mask, int channels,
               typename Simd::Scalar* column) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  for (int c = 0; c < channels; c += N) {
    V x[N];
    unroll<N>([&](auto k) __attribute__((always_inline)) {
      const V value = load<V>(values + (c + k) * kTileRow<Simd>);
      x[k] = kMasked ? (mask ? value : V{}) : value;
    });
    store(column + c, load<V>(column + c) + sums_across<Simd>(x));
  }
}

/// columns[j][c] += sum of values over the edges from sender j.
/// \param channels  of values and columns, a multiple of kLanes; columns is [n][channels]
template <typename Simd>
void add_to_senders(const EdgeTile<Simd>& tile, int channels, const typename Simd::Scalar* values,
                    typename Simd::Scalar* columns) {
  constexpr int N = Simd::kLanes;
  for (int q = 0; q < tile.vectors; ++q) {
    const auto* from = values + q * N;
    auto* low = columns + static_cast<long>(tile.low[q]) * channels;
    if (tile.low[q] == tile.high[q]) {
      add_lanes<Simd, false>(from, Integers<Simd>{}, channels, low);
    } else if (!tile.flat) {
      add_lanes<Simd, true>(from, ~tile.sender[q], channels, low);
      add_lanes<Simd, true>(from, tile.sender[q], channels, low + channels);
    } else {
      for (int j = tile.low[q]; j <= tile.high[q]; ++j) {
        const auto mask = tile.sender[q] == j - tile.sender_block(q) * N;
        add_lanes<Simd, true>(from, mask, channels, columns + static_cast<long>(j) * channels);
      }
    }
  }
}

}  // namespace lorentznet::fused
