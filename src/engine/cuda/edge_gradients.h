#pragma once

#include "engine/cuda/block_sums.h"
#include "engine/cuda/edge_backward.h"

namespace lorentznet::cuda {

// What follows EdgeBackward: sums of its parts in a fixed order. The parts of EdgeReduction.

inline constexpr int kReductionThreads = 512;  ///< of a block
/// Blocks for the columns of a batch's nodes, H / 4 threads a node.
__host__ __device__ constexpr int column_blocks(int nodes, int hidden) {
  const int of_block = kReductionThreads / (hidden / 4);
  return (nodes + of_block - 1) / of_block;
}

/// What a layer's nodes get as senders, and through the translations; and sums over the nodes for
/// phi_e's batch norm.
template <int H, bool kMoves>
struct EdgeColumns {
  struct Params {
    int nodes;         ///< P
    const int2* span;  ///< [P]
    KeptPairs kept;
    const float *a, *b;                  ///< [P, H]
    const float* q_row;                  ///< [P, H] of EdgeBackward: sum_j q_ij
    const float* columns;                ///< of EdgeBackward
    const double* x;                     ///< [P, 4]
    const double* translation_gradient;  ///< [P, 4]; not read in the last layer
    float* q_column;                     ///< [P, H] sum_i q_ij
    /// [P, 4] dL/dx through sum_j clamp((x_i - x_j) phi_ij) alone, as receiver and as sender
    double* x_gradient;
    BlockSums sums;  ///< [2, H] over the nodes: of q, and of (a_i + b_j) q_ij
  };
  static constexpr int kThreads = kReductionThreads;
  static constexpr int kQuarters = H / 4;              ///< threads of a node
  static constexpr int kNodes = kThreads / kQuarters;  ///< of a block
  static constexpr int kPulledNodes = kThreads / 4;    ///< of a block, four threads each
  static __host__ __device__ constexpr int blocks(int nodes) { return column_blocks(nodes, H); }
  static __host__ __device__ constexpr int pull_blocks(int nodes) {
    return (nodes + kPulledNodes - 1) / kPulledNodes;
  }
  static unsigned long shared_bytes() {
    return kNodes * 2 * H * sizeof(double) + 16 + prim::redzone();
  }

  /// \param block  of blocks(nodes) \return whether it is the last one to finish: it sees the sums
  static __device__ __forceinline__ bool add(const Params& p, int block) {
    prim::Carver carve;
    auto* const of_nodes = carve.template take<double>(kNodes * 2 * H);
    const int thread = static_cast<int>(threadIdx.x), own = thread / kQuarters;
    const int first = block * kNodes, count = min(kNodes, p.nodes - first);
    if (own < count) add_node(p, first + own, thread % kQuarters, of_nodes + own * 2 * H);
    __syncthreads();
    for (int k = thread; k < 2 * H; k += kThreads) {
      double sum = 0;
      for (int node = 0; node < count; ++node) sum += of_nodes[node * 2 * H + k];
      p.sums.partial[static_cast<long>(block) * 2 * H + k] = sum;
    }
    return add_blocks<kThreads, 2 * H>(p.sums, block, blocks(p.nodes));
  }
  /// \param block  of pull_blocks(nodes)
  static __device__ __forceinline__ void pull(const Params& p, int block) {
    const int thread = static_cast<int>(threadIdx.x), node = block * kPulledNodes + thread / 4;
    if (node >= p.nodes) return;
    p.x_gradient[4L * node + thread % 4] = kMoves ? pull_node(p, node, thread % 4) : 0.;
  }

 private:
  /// \param sums  [2, H] the node's
  static __device__ __forceinline__ void add_node(const Params& p, int node, int quarter,
                                                  double* sums) {
    const float4 sent = add_columns(p, node, quarter);
    const long at = static_cast<long>(node) * H + 4 * quarter;
    const auto vector = [at](const float* from) {
      return *reinterpret_cast<const float4*>(from + at);
    };
    const float4 a = vector(p.a), b = vector(p.b), received = vector(p.q_row);
    const float of_a[4] = {a.x, a.y, a.z, a.w}, of_b[4] = {b.x, b.y, b.z, b.w};
    const float as_receiver[4] = {received.x, received.y, received.z, received.w};
    const float as_sender[4] = {sent.x, sent.y, sent.z, sent.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      sums[4 * quarter + k] = as_receiver[k];
      sums[H + 4 * quarter + k] = static_cast<double>(of_a[k]) * as_receiver[k] +
                                  static_cast<double>(of_b[k]) * as_sender[k];
    }
  }

  static __device__ __forceinline__ float4 add_columns(const Params& p, int node, int quarter) {
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
    return sum;
  }

  static __device__ __forceinline__ double pull_node(const Params& p, int node, int k) {
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
  static constexpr int kThreads = kReductionThreads;
  static constexpr int kBlocks = (kMoves ? 2 : 1) * Places::kRowTiles + 1;
  static unsigned long shared_bytes() {
    return (kSlices * kElements + kTileRows * kRow) * sizeof(double) + 2 * (16 + prim::redzone());
  }

  /// \param block  of kBlocks \return whether it is the one that has written s_q and t_q
  static __device__ __forceinline__ bool run(const Params& p, int block) {
    prim::Carver carve;
    auto* const slices = carve.template take<double>(kSlices * kElements);
    auto* const rows = carve.template take<double>(kTileRows * kRow);
    if (block == kBlocks - 1) {
      add_vectors(p);
      return true;
    }
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
    return false;
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
#pragma unroll 16
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
