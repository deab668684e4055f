#pragma once

#include "engine/cuda/edge_backward.h"

namespace lorentznet::cuda {

// What follows EdgeBackward: sums of its parts in a fixed order.

/// What a layer's nodes get as senders, and through the translations.
template <int H, bool kMoves>
struct EdgeColumns {
  struct Params {
    int nodes;         ///< P
    const int2* span;  ///< [P]
    KeptPairs kept;
    const float* columns;                ///< of EdgeBackward
    const double* x;                     ///< [P, 4]
    const double* translation_gradient;  ///< [P, 4]; not read in the last layer
    float* q_column;                     ///< [P, H] sum_i q_ij
    /// [P, 4] dL/dx through sum_j clamp((x_i - x_j) phi_ij) alone, as receiver and as sender
    double* x_gradient;
  };
  static constexpr int kThreads = 256, kMinBlocks = 1;
  static constexpr int kQuarters = H / 4, kEach = kQuarters + 4;  ///< threads of a node
  static unsigned blocks(int nodes) {
    return static_cast<unsigned>((static_cast<long>(nodes) * kEach + kThreads - 1) / kThreads);
  }

  static __device__ __forceinline__ void run(const Params& p) {
    const long thread = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    const long of_columns = static_cast<long>(p.nodes) * kQuarters;
    if (thread < of_columns) {
      add_columns(p, static_cast<int>(thread / kQuarters), static_cast<int>(thread % kQuarters));
    } else if (thread < static_cast<long>(p.nodes) * kEach) {
      const long at = thread - of_columns;
      p.x_gradient[at] = kMoves ? pull(p, static_cast<int>(at / 4), static_cast<int>(at % 4)) : 0.;
    }
  }

 private:
  static __device__ __forceinline__ void add_columns(const Params& p, int node, int quarter) {
    const int2 jet = p.span[node];
    const int n = jet.y - jet.x;
    const int tiles = (jet.y - 1) / kTileRows - jet.x / kTileRows + 1;
    const long row = first_column_row(p.kept.first_pair[node], jet.x) + (node - jet.x);
    float4 sum{0, 0, 0, 0};
    for (int tile = 0; tile < tiles; ++tile) {
      const float4 part = *reinterpret_cast<const float4*>(
          p.columns + (row + static_cast<long>(tile) * n) * H + 4 * quarter);
      sum = {sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w};
    }
    *reinterpret_cast<float4*>(p.q_column + static_cast<long>(node) * H + 4 * quarter) = sum;
  }

  static __device__ __forceinline__ double pull(const Params& p, int node, int k) {
    constexpr double kTranslationLimit = 100;  // fused::kTranslationBound
    const int2 jet = p.span[node];
    const int n = jet.y - jet.x, own = node - jet.x;
    const float* const phi = p.kept.phi + p.kept.first_pair[node];
    const double own_pull = p.translation_gradient[4L * node + k], x = p.x[4L * node + k];
    double sum = 0;
    for (int other = 0; other < n; ++other) {
      if (other == own) continue;
      const long at = 4L * (jet.x + other) + k;
      const double difference = x - p.x[at];
      const double received = phi[static_cast<long>(other) * n + own],
                   sent = phi[static_cast<long>(own) * n + other];
      if (!(prim::abs_double(difference * received) > kTranslationLimit)) {
        sum += received * own_pull;
      }
      if (!(prim::abs_double(difference * sent) > kTranslationLimit)) {
        sum -= sent * p.translation_gradient[at];
      }
    }
    return sum;
  }
};

/// The gradients of a layer's parameters, and sums for those of the batch norm's inputs, out of the
/// blocks' partial sums, in double. A block a tile of 16 outputs of phi_e.3 or phi_x.0; the last
/// one has the rest.
template <int H, bool kMoves>
struct EdgeGradients {
  using Places = EdgeSumPlaces<H>;
  using C = Channels<H>;

  struct Params {
    int parts;                                       ///< blocks of EdgeBackward
    const float* partial;                            ///< [parts, kEnd]
    const float *move_in, *move_in_bias, *move_out;  ///< parameters; not read in the last layer
    double *s_q, *t_q;                               ///< [H] sums over pairs of s q, t q
    float *edge_out, *edge_out_bias;                 ///< [H, H], [H]
    float *gate, *gate_bias;                         ///< [H], [1]
    /// [H, H], [H], [H]; not written in the last layer
    float *move_in_gradient, *move_in_bias_gradient, *move_out_gradient;
  };
  static constexpr int kThreads = 512, kMinBlocks = 1;
  static constexpr int kBlocks = (kMoves ? 2 : 1) * Places::kRowTiles + 1;
  static unsigned long shared_bytes() {
    return (kSlices * kElements + kTileRows * kRow) * sizeof(double) + 2 * (16 + prim::redzone());
  }

  static __device__ __forceinline__ void run(const Params& p) {
    prim::Carver carve;
    auto* const slices = carve.template take<double>(kSlices * kElements);
    auto* const rows = carve.template take<double>(kTileRows * kRow);
    const int block = static_cast<int>(blockIdx.x);
    if (block == kBlocks - 1) return add_vectors(p);
    const int which = block / Places::kRowTiles, tile = block % Places::kRowTiles;
    add_tile(p, which, tile, slices);
    __syncthreads();
    gather(slices, rows);
    __syncthreads();
    if (which == 0) {
      store_edge_out(p, tile, rows);
    } else {
      store_move_in(p, tile, rows);
    }
  }

 private:
  static constexpr int kColumnTiles = Channels<H>::kTiles + 1, kRow = kColumnTiles * 8 + 1;
  static constexpr int kVectors = kColumnTiles * kWarpLanes;  ///< of four sums
  static constexpr int kElements = 4 * kVectors;
  static constexpr int kSlices = kVectors < kThreads ? kThreads / kVectors : 1;

  /// Sums of every kSlices-th part.
  static __device__ __forceinline__ void add_tile(const Params& p, int which, int tile,
                                                  double* slices) {
    for (int k = static_cast<int>(threadIdx.x); k < kSlices * kVectors; k += kThreads) {
      const int slice = k / kVectors, vector = k % kVectors;
      const int at = Places::at(which, tile, vector / kWarpLanes, vector % kWarpLanes);
      double sum[4] = {};
#pragma unroll 4
      for (int part = slice; part < p.parts; part += kSlices) {
        const float4 four = *reinterpret_cast<const float4*>(
            p.partial + static_cast<long>(part) * Places::kEnd + at);
        sum[0] += four.x, sum[1] += four.y, sum[2] += four.z, sum[3] += four.w;
      }
      for (int r = 0; r < 4; ++r) slices[slice * kElements + 4 * vector + r] = sum[r];
    }
  }
  /// From registers of lanes to 16 rows: H channels, and the column of ones.
  static __device__ __forceinline__ void gather(const double* slices, double* rows) {
    for (int k = static_cast<int>(threadIdx.x); k < kElements; k += kThreads) {
      double sum = 0;
      for (int slice = 0; slice < kSlices; ++slice) sum += slices[slice * kElements + k];
      const int tile = k / 4 / kWarpLanes, lane = k / 4 % kWarpLanes, r = k % 4;
      const int column = lane % 4 * 2 + r % 2;
      const int channel = tile < C::kTiles ? C::of_column(tile, column) : H + column;
      rows[(lane / 4 + r / 2 * 8) * kRow + channel] = sum;
    }
  }
  /// The channel of a tile's row; H or more if there is none.
  static __device__ __forceinline__ int channel_of(int tile, int row) {
    const int n = 2 * tile + row / 8;
    return n < C::kTiles ? C::of_column(n, row % 8) : H;
  }

  static __device__ __forceinline__ void store_edge_out(const Params& p, int tile,
                                                        const double* rows) {
    for (int k = static_cast<int>(threadIdx.x); k < kTileRows * (H + 1); k += kThreads) {
      const int row = k / (H + 1), input = k % (H + 1), output = channel_of(tile, row);
      if (output >= H) continue;
      const auto sum = static_cast<float>(rows[row * kRow + input]);
      (input < H ? p.edge_out[output * H + input] : p.edge_out_bias[output]) = sum;
    }
  }

  /// With D_kc = sum dphi [y_k > 0] m_c: d(move_in) = diag(move_out) D; y = move_in m + bias, hence
  /// d(move_out)_k = sum dphi relu(y_k) = sum_c move_in_kc D_kc + bias_k sum dphi [y_k > 0].
  static __device__ __forceinline__ void store_move_in(const Params& p, int tile,
                                                       const double* rows) {
    for (int k = static_cast<int>(threadIdx.x); k < kTileRows * H; k += kThreads) {
      const int row = k / H, input = k % H, output = channel_of(tile, row);
      if (output >= H) continue;
      p.move_in_gradient[output * H + input] =
          static_cast<float>(p.move_out[output] * rows[row * kRow + input]);
    }
    const int row = static_cast<int>(threadIdx.x), output = channel_of(tile, row % kTileRows);
    if (row >= kTileRows || output >= H) return;
    const double positive = rows[row * kRow + H];
    double sum = positive * p.move_in_bias[output];
    for (int c = 0; c < H; ++c) sum += p.move_in[output * H + c] * rows[row * kRow + c];
    p.move_out_gradient[output] = static_cast<float>(sum);
    p.move_in_bias_gradient[output] = static_cast<float>(p.move_out[output] * positive);
  }

  static __device__ __forceinline__ void add_vectors(const Params& p) {
    for (int k = static_cast<int>(threadIdx.x); k < 3 * H + 1; k += kThreads) {
      double sum = 0;
#pragma unroll 4
      for (int part = 0; part < p.parts; ++part) {
        sum += p.partial[static_cast<long>(part) * Places::kEnd + Places::kRows + k];
      }
      const int row = k / H, c = k % H;
      if (row == Places::kS) p.s_q[c] = kLn2 * sum;
      if (row == Places::kT) p.t_q[c] = kLn2 * sum;
      if (row == Places::kGate) p.gate[c] = static_cast<float>(sum);
      if (row == Places::kGateBias) *p.gate_bias = static_cast<float>(sum);
    }
  }
};

}  // namespace lorentznet::cuda
