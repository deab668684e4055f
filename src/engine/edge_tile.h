#pragma once

#include "engine/jet_arrays.h"
#include "engine/product.h"

namespace lorentznet::fused {

/// The order of a jet's edges. Lanes are receivers: in round r = 0 .. n-2 receiver i takes from
/// sender r + (i <= r), so that each i != j comes once, without a diagonal and without padding. A
/// tile is up to kEdgeVectors rounds of one block of receivers. The receivers of a last block that
/// is not full are flattened: its edges, round by round, fill the lanes one after the other.
template <typename Simd>
struct EdgeTile {
  static constexpr int N = Simd::kLanes;

  int vectors;       ///< of edges, 1 .. kEdgeVectors
  int first_vector;  ///< number of the first one in the jet
  int block;         ///< of receivers
  bool flat;
  int round;     ///< of the first vector, in a full block
  int used = 0;  ///< edges in a flat tile; lanes after them repeat the last edge

  /// In a full block: all bits set where the sender is round + 1. In a flat tile: place of the
  /// sender, counted from the block sender_block.
  Integers<Simd> sender[kEdgeVectors];
  bool mixed[kEdgeVectors] = {};           ///< full block: lanes have two senders
  int low[kEdgeVectors];                   ///< the first sender
  int high[kEdgeVectors];                  ///< the last sender
  Integers<Simd> receiver[kEdgeVectors];   ///< flat: lane of the block
  int place[kEdgeVectors * Simd::kLanes];  ///< flat: place in a dense array [sender][receiver]

  int sender_block(int q) const { return low[q] / N; }
};

/// Makes the tile of rounds first .. first + vectors - 1 of a full block.
template <typename Simd>
void make_full_tile(EdgeTile<Simd>& tile, int block, int first, int vectors) {
  constexpr int N = Simd::kLanes;
  tile.vectors = vectors;
  tile.block = block;
  tile.flat = false;
  tile.round = first;
  const int i0 = block * N;
  for (int q = 0; q < vectors; ++q) {
    const int r = first + q;
    tile.sender[q] = lane_numbers<Simd>() + i0 <= r;
    tile.low[q] = r + (i0 + N - 1 <= r ? 1 : 0);
    tile.high[q] = r + (i0 <= r ? 1 : 0);
    tile.mixed[q] = tile.low[q] != tile.high[q];
  }
}

/// Makes the tile of the flattened edges first .. of the last block.
template <typename Simd>
void make_flat_tile(EdgeTile<Simd>& tile, const JetShape<Simd>& shape, int first, int vectors) {
  constexpr int N = Simd::kLanes;
  tile.vectors = vectors;
  tile.block = shape.full;
  tile.flat = true;
  const int edges = shape.left * (shape.n - 1) - first;
  tile.used = edges < vectors * N ? edges : vectors * N;
  const int i0 = shape.full * N;
  int round = first / shape.left, lane_of_block = first % shape.left;
  for (int q = 0; q < vectors; ++q) {
    int senders[N];
    for (int lane = 0; lane < N; ++lane) {
      const int i = i0 + lane_of_block;
      senders[lane] = round + (i <= round ? 1 : 0);
      tile.receiver[q][lane] = lane_of_block;
      tile.place[q * N + lane] = senders[lane] * shape.padded + i;
      if (q * N + lane + 1 < tile.used && ++lane_of_block == shape.left) lane_of_block = 0, ++round;
    }
    tile.low[q] = tile.high[q] = senders[0];
    for (const int sender : senders) {
      if (sender < tile.low[q]) tile.low[q] = sender;
      if (sender > tile.high[q]) tile.high[q] = sender;
    }
    for (int lane = 0; lane < N; ++lane) {
      tile.sender[q][lane] = senders[lane] - tile.sender_block(q) * N;
    }
  }
}

/// Vectors of edges of a jet.
template <typename Simd>
int edge_vectors(const JetShape<Simd>& shape) {
  const int flat = (shape.left * (shape.n - 1) + Simd::kLanes - 1) / Simd::kLanes;
  return shape.full * (shape.n - 1) + flat;
}

/// Calls f(tile) for each tile, in their order.
template <typename Simd, typename F>
void for_each_tile(const JetShape<Simd>& shape, F f) {
  if (shape.n < 2) return;
  EdgeTile<Simd> tile;
  int vector = 0;
  const auto run = [&](int vectors, auto make) {
    const OutputBlocks tiles(vectors, kEdgeVectors);
    for (int k = 0, first = 0; k < tiles.count; ++k) {
      const int size = tiles.size + (k < tiles.larger ? 1 : 0);
      make(first, size);
      tile.first_vector = vector;
      f(tile);
      first += size;
      vector += size;
    }
  };
  for (int block = 0; block < shape.full; ++block) {
    run(shape.n - 1, [&](int first, int size) { make_full_tile(tile, block, first, size); });
  }
  if (shape.left > 0) {
    run(edge_vectors(shape) - vector,
        [&](int first, int size) { make_flat_tile(tile, shape, first * Simd::kLanes, size); });
  }
}

/// The edges' values of vector q out of a dense array [sender][receiver].
template <typename Simd, typename T>
[[gnu::always_inline]] inline Vector<Simd> from_pairs(const EdgeTile<Simd>& tile, int q,
                                                      const JetShape<Simd>& shape, const T* pairs) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  if (tile.flat) {
    alignas(V) T values[N];
    for (int lane = 0; lane < N; ++lane) values[lane] = pairs[tile.place[q * N + lane]];
    return load<V>(values);
  }
  const T* column = pairs + tile.block * N;
  const V low = load<V>(column + static_cast<long>(tile.low[q]) * shape.padded);
  if (!tile.mixed[q]) return low;
  return tile.sender[q] ? load<V>(column + static_cast<long>(tile.high[q]) * shape.padded) : low;
}

/// The reverse of from_pairs.
template <typename Simd, typename T>
[[gnu::always_inline]] inline void to_pairs(const EdgeTile<Simd>& tile, int q,
                                            const JetShape<Simd>& shape, Vector<Simd> values,
                                            T* pairs) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  if (tile.flat) {
    for (int lane = 0; lane < N && q * N + lane < tile.used; ++lane) {
      pairs[tile.place[q * N + lane]] = values[lane];
    }
    return;
  }
  T* low = pairs + tile.block * N + static_cast<long>(tile.low[q]) * shape.padded;
  if (!tile.mixed[q]) return store(low, values);
  T* high = pairs + tile.block * N + static_cast<long>(tile.high[q]) * shape.padded;
  store(low, tile.sender[q] ? load<V>(low) : values);
  store(high, tile.sender[q] ? values : load<V>(high));
}

}  // namespace lorentznet::fused
