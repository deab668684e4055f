#pragma once

#include <type_traits>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// Products of rows of nodes with weights, by a warp. The weights are read from global memory, where
// they stay in the caches. A row's numbers depend on that row alone, not on its place in the batch.

/// The rows of a warp: M tiles of 16 consecutive nodes. A lane has 2 M of them.
template <int M>
class WarpRows {
 public:
  static constexpr int kRows = M * kTileRows;

  __device__ __forceinline__ explicit WarpRows(int nodes)
      : lane(static_cast<int>(threadIdx.x) % kWarpLanes),
        t(lane % 4),
        first(static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / kWarpLanes) * kRows),
        count(min(nodes - first, kRows)) {}

  /// Row g, or g + 8 if `half` is 1, of tile m.
  __device__ __forceinline__ long row(int m, int half) const {
    return static_cast<long>(first) + local(m, half);
  }
  /// Rows behind the last node are taken as zeros and not written.
  __device__ __forceinline__ bool exists(int m, int half) const { return local(m, half) < count; }

  const int lane, t;  ///< lane = 4 g + t
  const int first;
  const int count;  ///< nodes; not positive if the last one stands before `first`

 private:
  __device__ __forceinline__ int local(int m, int half) const {
    return m * kTileRows + 8 * half + lane / 4;
  }
};

/// What a lane has of a row: its channels of N neighbouring column tiles, as they stand in memory.
template <int N>
struct alignas(2 * N * sizeof(float)) RowPart {
  float of[2 * N];
};

template <int N>
__device__ __forceinline__ RowPart<N> load_part(const float* from) {
  return *reinterpret_cast<const RowPart<N>*>(from);
}
template <int N>
__device__ __forceinline__ void store_part(float* to, const RowPart<N>& part) {
  *reinterpret_cast<RowPart<N>*>(to) = part;
}
template <int N>
__device__ __forceinline__ void add_part(RowPart<N>& to, const float* from) {
  const auto part = load_part<N>(from);
#pragma unroll
  for (int k = 0; k < 2 * N; ++k) to.of[k] += part.of[k];
}

/// A lane's sums of all columns of its rows: rows g (first two) and g + 8, two columns each.
template <int H, int M>
using RowSums = float[M][Channels<H>::kTiles][4];
/// Its operands: rows g and g + 8 of each tile of positions.
template <typename Op, int H, int M>
using RowOperands = typename Op::Pair[M][Channels<H>::kTiles][2];

/// Calls f(N, n, unrolled) for the column tiles n to n + N - 1 that share channels, N = 1 or 2.
template <int H, typename F>
__device__ __forceinline__ void each_group(const F& f) {
#pragma unroll
  for (int pair = 0; pair < Channels<H>::kPairs; ++pair) {
    f(std::integral_constant<int, 2>{}, 2 * pair);
  }
  if constexpr (Channels<H>::kOdd) {
    f(std::integral_constant<int, 1>{}, 2 * Channels<H>::kPairs);
  }
}
/// The same as a loop in the program, so that f may not index registers with n.
template <int H, typename F>
__device__ __forceinline__ void loop_over_groups(const F& f) {
#pragma unroll 1
  for (int pair = 0; pair < Channels<H>::kPairs; ++pair) {
    f(std::integral_constant<int, 2>{}, 2 * pair);
  }
  if constexpr (Channels<H>::kOdd) {
    f(std::integral_constant<int, 1>{}, 2 * Channels<H>::kPairs);
  }
}

/// Row `half` of the sums of tiles n to n + N - 1.
template <int N, int Tiles>
__device__ __forceinline__ RowPart<N> part_of(const float (&sums)[Tiles][4], int n, int half) {
  RowPart<N> part;
#pragma unroll
  for (int k = 0; k < 2 * N; ++k) part.of[k] = sums[n + k / 2][2 * half + k % 2];
  return part;
}

/// Writes row `half` of tile m of the sums of tiles n to n + N - 1, if it exists.
/// \param to [P, H]
template <int H, int N, int M>
__device__ __forceinline__ RowPart<N> store_sums(const WarpRows<M>& rows, int m, int half,
                                                 const RowSums<H, M>& sums, int n, float* to) {
  const auto part = part_of<N>(sums[m], n, half);
  if (rows.exists(m, half)) {
    store_part(to + rows.row(m, half) * H + Channels<H>::at(n, rows.t, 0), part);
  }
  return part;
}

/// Writes all sums. \param to [P, H]
template <int H, int M>
__device__ __forceinline__ void store_sums(const WarpRows<M>& rows, const RowSums<H, M>& sums,
                                           float* to) {
  each_group<H>([&](auto columns, int n) {
#pragma unroll
    for (int k = 0; k < 2 * M; ++k) {
      store_sums<H, decltype(columns)::value>(rows, k / 2, k % 2, sums, n, to);
    }
  });
}

/// Writes all sums, which become operands. \param to [P, H]
template <typename Op, int H, int M>
__device__ __forceinline__ void store_sums(const WarpRows<M>& rows, const RowSums<H, M>& sums,
                                           float* to, RowOperands<Op, H, M>& a) {
  each_group<H>([&](auto columns, int n) {
    constexpr int kColumns = decltype(columns)::value;
#pragma unroll
    for (int k = 0; k < 2 * M; ++k) {
      const auto part = store_sums<H, kColumns>(rows, k / 2, k % 2, sums, n, to);
#pragma unroll
      for (int tile = 0; tile < kColumns; ++tile) {
        a[k / 2][n + tile][k % 2] = Op::pack(part.of[2 * tile], part.of[2 * tile + 1]);
      }
    }
  });
}

/// Sums of K numbers a channel over the rows of a warp, of a lane's channels of N tiles.
template <int K, int N>
using ColumnSums = double[K][2 * N];

/// add(row, half tile 2 m + half, channel, sums) adds the numbers of a row to sums, which are those
/// of the lane's rows; then those of all lanes are written.
/// \param to [K, H]
template <int K, int H, int M, typename Add>
__device__ __forceinline__ void add_columns(const WarpRows<M>& rows, double* to, const Add& add) {
  loop_over_groups<H>([&](auto columns, int n) {
    constexpr int kColumns = decltype(columns)::value;
    const int channel = Channels<H>::at(n, rows.t, 0);
    ColumnSums<K, kColumns> sums = {};
#pragma unroll
    for (int k = 0; k < 2 * M; ++k) {
      if (rows.exists(k / 2, k % 2)) add(columns, rows.row(k / 2, k % 2), k, channel, sums);
    }
#pragma unroll
    for (int k = 0; k < K; ++k) {
#pragma unroll
      for (int c = 0; c < 2 * kColumns; ++c) {
#pragma unroll
        for (int distance = 4; distance < kWarpLanes; distance *= 2) {
          sums[k][c] += __shfl_xor_sync(0xffffffffu, sums[k][c], distance);
        }
        if (rows.lane < 4) to[k * H + channel + c] = sums[k][c];
      }
    }
  });
}

/// All rows' sums of tiles n to n + N - 1 become `part`.
template <int N, int M, int Tiles>
__device__ __forceinline__ void begin_with(const RowPart<N>& part, float (&sums)[M][Tiles][4],
                                           int n) {
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int k = 0; k < 4 * N; ++k) sums[m][n + k / 4][k % 4] = part.of[k / 4 * 2 + k % 2];
  }
}

/// The operands of tiles n to n + N - 1, from rows [P, H]; the first of them becomes a[..][at].
template <typename Op, int H, int N, int M, int Tiles>
__device__ __forceinline__ void load_operands(const WarpRows<M>& rows, const float* from, int n,
                                              typename Op::Pair (&a)[M][Tiles][2], int at) {
  const int channel = Channels<H>::at(n, rows.t, 0);
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      RowPart<N> part{};
      if (rows.exists(m, half)) part = load_part<N>(from + rows.row(m, half) * H + channel);
#pragma unroll
      for (int k = 0; k < N; ++k) a[m][at + k][half] = Op::pack(part.of[2 * k], part.of[2 * k + 1]);
    }
  }
}

/// sums (tiles n to n + N - 1) += operands (tiles k to k + K - 1) weights. The weights of such a
/// group are registers: for each column tile one of each tile of positions.
/// \return behind the group
template <typename Op, int N, int K, int M, int Positions, int Columns>
__device__ __forceinline__ const typename Op::Pair* multiply_group(
    const typename Op::Pair* weights, int lane, const typename Op::Pair (&a)[M][Positions][2],
    int k, float (&sums)[M][Columns][4], int n) {
  using Pair = typename Op::Pair;
  Pair b[N * K];
  weights = take_registers(weights, lane, b);
#pragma unroll
  for (int column = 0; column < N; ++column) {
#pragma unroll
    for (int m = 0; m < M; ++m) {
      if constexpr (K == 2) {
        const Pair both[4] = {a[m][k][0], a[m][k][1], a[m][k + 1][0], a[m][k + 1][1]};
        Op::mma16(sums[m][n + column], both, b[2 * column], b[2 * column + 1]);
      } else {
        Op::mma8(sums[m][n + column], a[m][k][0], a[m][k][1], b[column]);
      }
    }
  }
  return weights;
}

/// sums += rows [P, H] weights. The weights' groups: all columns for the first positions, and so
/// on.
template <typename Op, int H, int M>
__device__ __forceinline__ const typename Op::Pair* multiply_rows(const WarpRows<M>& rows,
                                                                  const float* from,
                                                                  const typename Op::Pair* weights,
                                                                  RowSums<H, M>& sums) {
  loop_over_groups<H>([&](auto positions, int k) {
    constexpr int kPositions = decltype(positions)::value;
    typename Op::Pair a[M][kPositions][2];
    load_operands<Op, H, kPositions>(rows, from, k, a, 0);
    each_group<H>([&](auto columns, int n) {
      constexpr int kColumns = decltype(columns)::value;
      weights = multiply_group<Op, kColumns, kPositions>(weights, rows.lane, a, 0, sums, n);
    });
  });
  return weights;
}

/// finish(row, channel, part of bias + operands weights) for each part of each row. The weights'
/// groups: all positions for the first columns, and so on.
/// \param bias  [H]; null: zeros
template <typename Op, int H, int M, typename Finish>
__device__ __forceinline__ const typename Op::Pair* multiply_operands(
    const WarpRows<M>& rows, const RowOperands<Op, H, M>& a, const typename Op::Pair* weights,
    const float* bias, const Finish& finish) {
  loop_over_groups<H>([&](auto columns, int n) {
    constexpr int kColumns = decltype(columns)::value;
    const int channel = Channels<H>::at(n, rows.t, 0);
    float sums[M][kColumns][4];
    begin_with(bias ? load_part<kColumns>(bias + channel) : RowPart<kColumns>{}, sums, 0);
    each_group<H>([&](auto positions, int k) {
      constexpr int kPositions = decltype(positions)::value;
      weights = multiply_group<Op, kColumns, kPositions>(weights, rows.lane, a, k, sums, 0);
    });
#pragma unroll
    for (int m = 0; m < M; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (!rows.exists(m, half)) continue;
        finish(rows.row(m, half), channel, part_of<kColumns>(sums[m], 0, half));
      }
    }
  });
  return weights;
}

/// sums = bias + scalars weights, in float: scalars may exceed the range of 16 bits, and are few.
/// \param scalars [P, count] \param weights [count, H]
template <int H, int M>
__device__ __forceinline__ void multiply_scalars(const WarpRows<M>& rows, const float* scalars,
                                                 int count, const float* weights, const float* bias,
                                                 RowSums<H, M>& sums) {
  each_group<H>([&](auto columns, int n) {
    constexpr int kColumns = decltype(columns)::value;
    begin_with(load_part<kColumns>(bias + Channels<H>::at(n, rows.t, 0)), sums, n);
  });
#pragma unroll 1
  for (int scalar = 0; scalar < count; ++scalar) {
    float value[M][2];
#pragma unroll
    for (int k = 0; k < 2 * M; ++k) {
      const bool exists = rows.exists(k / 2, k % 2);
      value[k / 2][k % 2] = exists ? scalars[rows.row(k / 2, k % 2) * count + scalar] : 0.0f;
    }
    each_group<H>([&](auto columns, int n) {
      constexpr int kColumns = decltype(columns)::value;
      const int channel = Channels<H>::at(n, rows.t, 0);
      const auto weight = load_part<kColumns>(weights + static_cast<long>(scalar) * H + channel);
#pragma unroll
      for (int m = 0; m < M; ++m) {
#pragma unroll
        for (int k = 0; k < 4 * kColumns; ++k) {
          float& sum = sums[m][n + k / 4][k % 4];
          sum = fmaf(value[m][k % 4 / 2], weight.of[k / 4 * 2 + k % 2], sum);
        }
      }
    });
  }
}

}  // namespace lorentznet::cuda
