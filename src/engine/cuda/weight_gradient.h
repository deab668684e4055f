#pragma once

#include <stdexcept>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// Gradient of a Linear's weights: sum_row gradient[row][o] x[row][i].
struct WeightProduct {
  int rows;
  const float* gradient;  ///< [rows, H] dL/d(output)
  const float* x;         ///< [rows, width]
  /// x stands for relu(x scale + shift) of its H columns; null: for itself
  const float *scale = nullptr, *shift = nullptr;
  int width;                 ///< H, or, if `scalars`, whatever it is
  bool scalars = false;      ///< x has few columns, of any range: products in float
  float* partial = nullptr;  ///< [parts, H, width], for AddPartials
};

/// Rows of a part: the same for all products of a launch, given by the nodes of the batch.
inline int rows_of_part(int nodes) {
  constexpr int kLeast = 128, kMostParts = 128;
  const int rows = (nodes + kMostParts - 1) / kMostParts;
  return rows <= kLeast ? kLeast : (rows + 15) / 16 * 16;
}
inline int weight_parts(int nodes) {
  const int rows = rows_of_part(nodes);
  return (nodes + rows - 1) / rows;
}

/// Several WeightProducts. A block is a warp, which has 32 outputs, all inputs and the rows of a
/// part; the rows are what mma sums over.
template <typename Op, int H>
struct WeightGradient {
  static constexpr int kMost = 40;  ///< those of six layers, the embedding and the decoder are 38
  struct Params {
    int parts, rows_of_part;
    int count = 0;
    WeightProduct of[kMost];

    explicit Params(int nodes)
        : parts(weight_parts(nodes)), rows_of_part(cuda::rows_of_part(nodes)) {}
    /// \throws std::logic_error if there are more than kMost
    void add(const WeightProduct& product) {
      if (count == kMost) throw std::logic_error("more weights' gradients than a launch computes");
      of[count++] = product;
    }
    /// Of a launch.
    unsigned blocks() const { return static_cast<unsigned>(count * parts * kOutputBlocks); }
  };
  static constexpr int kThreads = kWarpLanes, kMinBlocks = 8;
  static constexpr int kOutputs = 32, kOutputBlocks = (H + kOutputs - 1) / kOutputs;

  static __device__ __forceinline__ void run(const Params& p) {
    const int block = static_cast<int>(blockIdx.x), part = block / kOutputBlocks % p.parts;
    const WeightProduct& product = p.of[block / kOutputBlocks / p.parts];
    const int outputs = block % kOutputBlocks * kOutputs, first = part * p.rows_of_part;
    const int end = min(product.rows, first + p.rows_of_part);
    float* const to = product.partial + static_cast<long>(part) * H * product.width;
    if (product.scalars) return multiply_scalars(product, outputs, first, end, to);
    float sums[2][kTiles][4] = {};
#pragma unroll 1
    for (int row = first; row < end; row += 16) add_rows(product, outputs, row, end, sums);
    store(outputs, sums, to);
  }

 private:
  using Pair = typename Op::Pair;
  static constexpr int kTiles = Channels<H>::kTiles, kPairs = Channels<H>::kPairs;

  /// The rows that a lane 4 g + t has of 16: 2 t and 2 t + 1 of each half.
  template <int N>
  using Rows = float[2][2][N];

  /// N neighbouring channels of these rows.
  template <int N>
  static __device__ __forceinline__ void load(const float* from, int channel, int row, int end,
                                              Rows<N>& to) {
    const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int at = row + 8 * (k / 2) + 2 * t + k % 2;
      RegisterVector<float, N * sizeof(float)> values{};
      if (at < end) {
        values = *reinterpret_cast<const RegisterVector<float, N * sizeof(float)>*>(
            from + static_cast<long>(at) * H + channel);
      }
#pragma unroll
      for (int c = 0; c < N; ++c) to[k / 2][k % 2][c] = values.of[c];
    }
  }

  /// sums += what 16 rows give. Lane 4 g + t has outputs 4 g to 4 g + 3, which are row g of tile 0,
  /// its row g + 8, then the same of tile 1.
  static __device__ __forceinline__ void add_rows(const WeightProduct& product, int outputs,
                                                  int row, int end, float (&sums)[2][kTiles][4]) {
    const int g = static_cast<int>(threadIdx.x) / 4, output = outputs + 4 * g;
    Rows<4> gradient;
    load<4>(product.gradient, output, row, output < H ? end : row, gradient);
    Pair a[2][4];
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const int m = k / 4, half = k % 2, later = k / 2 % 2;
      const int c = 2 * m + half;
      a[m][k % 4] = Op::pack(gradient[later][0][c], gradient[later][1][c]);
    }
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair) {
      add_inputs<2>(product, 16 * pair + 2 * g, row, end, a, 2 * pair, sums);
    }
    if constexpr (Channels<H>::kOdd) {
      add_inputs<1>(product, 16 * kPairs + g, row, end, a, 2 * kPairs, sums);
    }
  }

  /// Of the inputs of tiles n to n + N - 1: column g of each, neighbours in a row.
  template <int N>
  static __device__ __forceinline__ void add_inputs(const WeightProduct& product, int input,
                                                    int row, int end, const Pair (&a)[2][4], int n,
                                                    float (&sums)[2][kTiles][4]) {
    Rows<N> x;
    load<N>(product.x, input, row, end, x);
#pragma unroll
    for (int tile = 0; tile < N; ++tile) {
      if (product.scale) {
        // Rows behind the last one are multiplied by zeros.
        const float scale = product.scale[input + tile], shift = product.shift[input + tile];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          float& value = x[k / 2][k % 2][tile];
          value = prim::relu(fmaf(value, scale, shift));
        }
      }
      const Pair b0 = Op::pack(x[0][0][tile], x[0][1][tile]);
      const Pair b1 = Op::pack(x[1][0][tile], x[1][1][tile]);
#pragma unroll
      for (int m = 0; m < 2; ++m) Op::mma16(sums[m][n + tile], a[m], b0, b1);
    }
  }

  /// \param to [H, H]
  static __device__ __forceinline__ void store(int outputs, const float (&sums)[2][kTiles][4],
                                               float* to) {
    const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int m = k / 2, half = k % 2, output = outputs + 4 * g + k;
      if (output >= H) continue;
      float* const row = to + static_cast<long>(output) * H;
#pragma unroll
      for (int pair = 0; pair < kPairs; ++pair) {  // column 2 t of both tiles, then 2 t + 1
        const float* const even = sums[m][2 * pair] + 2 * half;
        const float* const odd = sums[m][2 * pair + 1] + 2 * half;
        *reinterpret_cast<float4*>(row + 16 * pair + 4 * t) =
            float4{even[0], odd[0], even[1], odd[1]};
      }
      if constexpr (Channels<H>::kOdd) {
        const float* const last = sums[m][2 * kPairs] + 2 * half;
        *reinterpret_cast<float2*>(row + 16 * kPairs + 2 * t) = float2{last[0], last[1]};
      }
    }
  }

  /// A lane has an output. \param to [H, width]
  static __device__ __forceinline__ void multiply_scalars(const WeightProduct& product, int outputs,
                                                          int first, int end, float* to) {
    constexpr int kAtOnce = 8;
    const int output = outputs + static_cast<int>(threadIdx.x), width = product.width;
    if (output >= H) return;
    for (int scalar = 0; scalar < width; scalar += kAtOnce) {
      float sums[kAtOnce] = {};
#pragma unroll 2
      for (long row = first; row < end; ++row) {
        const float gradient = product.gradient[row * H + output];
#pragma unroll
        for (int k = 0; k < kAtOnce; ++k) {
          if (scalar + k < width) {
            sums[k] = fmaf(gradient, product.x[row * width + scalar + k], sums[k]);
          }
        }
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (scalar + k < width) to[static_cast<long>(output) * width + scalar + k] = sums[k];
      }
    }
  }
};

}  // namespace lorentznet::cuda
