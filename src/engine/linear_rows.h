#pragma once

#include "engine/engine.h"
#include "engine/pair_product.h"

namespace lorentznet::fused {

// Linear layers over rows (nodes), with the edges' products: kEdgeVectors * kLanes rows are a tile.

/// Calls f(std::integral_constant<int, vectors>{}).
template <typename F>
[[gnu::always_inline]] inline void with_vectors(int vectors, F f) {
  if (vectors == 3) return f(std::integral_constant<int, 3>{});
  if (vectors == 2) return f(std::integral_constant<int, 2>{});
  f(std::integral_constant<int, 1>{});
}

/// Rows [n, width] into a tile [width][kTileRow]; the last vector's lanes from n on become zero.
template <typename Simd, typename T>
void rows_to_tile(const T* rows, int n, int width, T* tile) {
  constexpr int N = Simd::kLanes;
  for (int first = 0; first < n; first += N) {
    rows_to_lanes<Simd>({rows + static_cast<long>(first) * width, width},
                        n - first < N ? n - first : N, width, {tile + first, kTileRow<Simd>},
                        [](int, Vector<Simd> lanes) { return lanes; });
  }
}

template <typename Simd, typename T>
void tile_to_rows(const T* tile, int n, int width, T* rows) {
  constexpr int N = Simd::kLanes;
  for (int first = 0; first < n; first += N) {
    lanes_to_rows<Simd>({tile + first, kTileRow<Simd>}, n - first < N ? n - first : N, width,
                        {rows + static_cast<long>(first) * width, width});
  }
}

/// The pieces' rows from `first` on, one below the other in a tile.
template <typename Simd, typename T>
void pieces_to_tile(const RowPieces<const T>& pieces, int first, int n, T* tile) {
  for (const auto& piece : pieces.of) {
    if (piece.width == 0) continue;
    rows_to_tile<Simd>(piece.rows + static_cast<long>(first) * piece.width, n, piece.width, tile);
    tile += static_cast<long>(piece.width) * kTileRow<Simd>;
  }
}

template <typename Simd>
int vectors_of_rows(int n) {
  return (n + Simd::kLanes - 1) / Simd::kLanes;
}

template <typename Simd>
void linear_forward(const PackedLinear<typename Simd::Scalar>& layer, int n,
                    const RowPieces<const typename Simd::Scalar>& in, typename Simd::Scalar* out) {
  using T = typename Simd::Scalar;
  using V = Vector<Simd>;
  constexpr int kRow = kTileRow<Simd>, N = Simd::kLanes;
  Buffer<Simd, T> inputs(static_cast<long>(layer.inputs) * kRow, Unset{});
  Buffer<Simd, T> outputs(static_cast<long>(layer.outputs) * kRow, Unset{});
  for (int first = 0; first < n; first += kRow) {
    const int rows = n - first < kRow ? n - first : kRow;
    pieces_to_tile<Simd>(in, first, rows, inputs.get());
    with_vectors(vectors_of_rows<Simd>(rows), [&]<int R>(std::integral_constant<int, R>) {
      const auto finish = [&](int k, const V* sums) __attribute__((always_inline)) {
        const V bias = layer.bias == nullptr ? V{} : broadcast<V>(layer.bias[k]);
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          store(outputs.get() + k * kRow + r * N, sums[r] + bias);
        });
      };
      product<Simd, R>({inputs.get(), kRow, N, layer.inputs}, layer.forward, layer.outputs, finish);
    });
    tile_to_rows<Simd>(outputs.get(), rows, layer.outputs,
                       out + static_cast<long>(first) * layer.outputs);
  }
}

/// The backward pass of a Linear over rows; sums of the weights' gradients in memory of its own.
template <typename Simd>
class LinearBackward {
 public:
  using T = typename Simd::Scalar;
  using V = Vector<Simd>;
  static constexpr int kRow = kTileRow<Simd>, N = Simd::kLanes;

  explicit LinearBackward(const PackedLinear<T>& layer)
      : layer_(layer),
        channels_(paired_channels<Simd>(layer.inputs)),
        inputs_(static_cast<long>(channels_) * kRow),
        in_gradient_(static_cast<long>(layer.inputs) * kRow, Unset{}),
        out_gradient_(static_cast<long>(kChunk) * layer.outputs * kRow, Unset{}),
        paired_(static_cast<long>(kChunk) * channels_ * kRow, Unset{}),
        sums_(2L * layer.outputs * channels_) {}

  void run(int n, const RowPieces<const T>& in, const T* out_gradient,
           const RowPieces<T>& in_gradient) {
    for (int first = 0; first < n; first += kRow) {
      const int rows = n - first < kRow ? n - first : kRow;
      vectors_[tiles_] = vectors_of_rows<Simd>(rows);
      T* const left = out_gradient_.get() + static_cast<long>(tiles_) * layer_.outputs * kRow;
      rows_to_tile<Simd>(out_gradient + static_cast<long>(first) * layer_.outputs, rows,
                         layer_.outputs, left);
      pair_inputs(in, first, rows);
      pull_back(left, in_gradient, first, rows);
      if (++tiles_ == kChunk) add_chunk();
    }
    add_chunk();
  }

  /// Adds to the gradients. \param weight [outputs, inputs]
  void add_weights(T* weight) const {
    for (int k = 0; k < layer_.outputs; ++k) {
      for (int c = 0; c < layer_.inputs; ++c) {
        const T* two = sums_.get() + 2L * (static_cast<long>(k) * channels_ + c);
        weight[static_cast<long>(k) * layer_.inputs + c] += two[0] + two[1];
      }
    }
  }

 private:
  void pair_inputs(const RowPieces<const T>& in, int first, int rows) {
    V one[kEdgeVectors];
    for (auto& value : one) value = V{} + 1;
    pieces_to_tile<Simd>(in, first, rows, inputs_.get());
    transpose_pairs<Simd>(inputs_.get(), one, channels_, vectors_[tiles_],
                          paired_.get() + static_cast<long>(tiles_) * channels_ * kRow);
  }

  void pull_back(const T* left, const RowPieces<T>& in_gradient, int first, int rows) {
    bool wanted = false;
    for (const auto& piece : in_gradient.of) wanted = wanted || piece.rows != nullptr;
    if (!wanted) return;
    with_vectors(vectors_[tiles_], [&]<int R>(std::integral_constant<int, R>) {
      const auto finish = [&](int c, const V* sums) __attribute__((always_inline)) {
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          store(in_gradient_.get() + c * kRow + r * N, sums[r]);
        });
      };
      product<Simd, R>({left, kRow, N, layer_.outputs}, layer_.transposed, layer_.inputs, finish);
    });
    const T* from = in_gradient_.get();
    for (const auto& piece : in_gradient.of) {
      if (piece.rows != nullptr) {
        tile_to_rows<Simd>(from, rows, piece.width,
                           piece.rows + static_cast<long>(first) * piece.width);
      }
      from += static_cast<long>(piece.width) * kRow;
    }
  }

  void add_chunk() {
    pair_product<Simd>(
        {out_gradient_.get(), paired_.get(), layer_.outputs, channels_, tiles_, vectors_},
        layer_.outputs, sums_.get());
    tiles_ = 0;
  }

  const PackedLinear<T>& layer_;
  int channels_;
  Buffer<Simd, T> inputs_, in_gradient_, out_gradient_, paired_, sums_;
  int tiles_ = 0;
  int vectors_[kChunk] = {};
};

}  // namespace lorentznet::fused
