#pragma once

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/block_sums.h"
#include "engine/cuda/node_forward.h"

namespace lorentznet::cuda {

// The node part of a layer in training, forward: z = phi_h.0 and its statistics, then the rest of
// phi_h. A batch may end with a ghost row, which stands for the padded rows of the published
// program: it has no message, and a weight in the statistics.

/// Encode in training, where the scalars come in double.
template <typename Op, int H>
struct EncodeForward {
  struct Params {
    typename Encode<Op, H>::Params encode;
    const double* scalars;  ///< [P, S] without the ghost's, which are zero
    float* features;        ///< [P, S] those of `encode`, written here
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.encode.nodes);
    const int count = p.encode.scalars;
    const long first = static_cast<long>(rows.first) * count;
    const long of_nodes = static_cast<long>(p.encode.nodes - p.encode.ghost) * count;
    for (int k = rows.lane; k < rows.count * count; k += kWarpLanes) {
      const bool exists = first + k < of_nodes;
      p.features[first + k] = exists ? static_cast<float>(p.scalars[first + k]) : 0.0F;
    }
    __syncwarp();
    Encode<Op, H>::run(p.encode);
  }
};

/// z = in [h, message, scalars] + bias, sums over the rows, and the batch norm that they make.
template <typename Op, int H>
struct NodeHidden {
  struct Params {
    int nodes, scalars;  ///< P with the ghost, S
    bool ghost;          ///< the last row is the ghost
    double ghost_weight;
    const float* h;                    ///< [P, H]
    const float* message;              ///< [P, H]; [P - 1, H] with a ghost
    const float* features;             ///< [P, S]
    const typename Op::Pair* weights;  ///< of h, of message; by positions
    const float* bias;                 ///< [H]
    const float* scalar_weights;       ///< [S, H]
    float* z;                          ///< [P, H]
    BlockSums sums;                    ///< [2, H] of z and of z^2; behind them the rows' number
    NormOfBatch::Params norm;
    bool alone;  ///< no other rank has rows: the batch norm is made here
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    static_assert(kThreads == kWarpLanes);  // a warp's sums are the block's
    const WarpRows<kNodeTiles> rows(p.nodes), nodes_only(p.ghost ? p.nodes - 1 : p.nodes);
    RowSums<H, kNodeTiles> z;
    multiply_scalars<H>(rows, p.features, p.scalars, p.scalar_weights, p.bias, z);
    const auto* const weights = multiply_rows<Op, H>(rows, p.h, p.weights, z);
    multiply_rows<Op, H>(nodes_only, p.message, weights, z);
    store_sums<H>(rows, z, p.z);
    // A lane reads what it has written.
    add_columns<2, H>(rows, p.sums.partial + 2L * blockIdx.x * H,
                      [&](auto columns, long row, int k, int channel, auto& sums) {
                        constexpr int kColumns = decltype(columns)::value;
                        const auto part = load_part<kColumns>(p.z + row * H + channel);
                        const double weight = nodes_only.exists(k / 2, k % 2) ? 1 : p.ghost_weight;
#pragma unroll
                        for (int c = 0; c < 2 * kColumns; ++c) {
                          const double value = part.of[c];
                          sums[0][c] += weight * value;
                          sums[1][c] += weight * value * value;
                        }
                      });
    if (!add_blocks<kThreads, 2 * H>(p.sums, static_cast<int>(blockIdx.x),
                                     static_cast<int>(gridDim.x))) {
      return;
    }
    if (threadIdx.x == 0) {
      p.sums.sums[2 * H] = p.ghost ? p.nodes - 1 + p.ghost_weight : p.nodes;
    }
    __syncthreads();
    if (p.alone) NormOfBatch::run<kThreads>(p.norm);
  }
};

/// The coordinates of the nodes without the ghost, from one layer to the next.
struct Movement {
  int nodes;                  ///< without the ghost
  double c_weight;            ///< weight of the coordinate updates
  const int2* span;           ///< [P] first node and end of the node's jet
  const double* translation;  ///< [P, 4] sum_j of a node
  const double* x;            ///< [P, 4]
  double* to;                 ///< [P, 4]
};

/// h' = h + out relu(z scale + shift) + bias, and if the layer is not the last one, also the
/// coordinates and the next layer's a and b.
template <typename Op, int H, bool Last>
struct NodeOutput {
  struct Params {
    int nodes;                         ///< P with the ghost
    const float *h, *z;                ///< [P, H]
    const float *scale, *shift;        ///< [H]
    const typename Op::Pair* weights;  ///< by columns
    const float* bias;                 ///< [H]
    float* to;                         ///< [P, H] h'
    Projection<Op> next;               ///< of the next layer; its bias may be null
    Movement move;
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes);
    RowOperands<Op, H, kNodeTiles> a;
    each_group<H>(
        [&](auto positions, int k) { load_normalised<decltype(positions)::value>(p, rows, k, a); });
    multiply_operands<Op, H>(rows, a, p.weights, p.bias, [&p](long row, int channel, auto part) {
      add_part(part, p.h + row * H + channel);
      store_part(p.to + row * H + channel, part);
    });
    if constexpr (!Last) {
      // A lane reads what it has written.
      each_group<H>([&](auto positions, int k) {
        load_operands<Op, H, decltype(positions)::value>(rows, p.to, k, a, k);
      });
      project<Op, H>(rows, a, p.next);
      const long node = rows.first + rows.lane;
      static_assert(rows.kRows == kWarpLanes);
      if (node < p.move.nodes) {
        move_node(p.move.span[node], p.move.c_weight, p.move.translation + 4 * node,
                  p.move.x + 4 * node, p.move.to + 4 * node);
      }
    }
  }

 private:
  /// The operands relu(z scale + shift) of tiles k to k + N - 1.
  template <int N>
  static __device__ __forceinline__ void load_normalised(const Params& p,
                                                         const WarpRows<kNodeTiles>& rows, int k,
                                                         RowOperands<Op, H, kNodeTiles>& a) {
    const int channel = Channels<H>::at(k, rows.t, 0);
    const auto scale = load_part<N>(p.scale + channel), shift = load_part<N>(p.shift + channel);
#pragma unroll
    for (int row = 0; row < 2 * kNodeTiles; ++row) {
      const int m = row / 2, half = row % 2;
      RowPart<N> z{};
      if (rows.exists(m, half)) z = load_part<N>(p.z + rows.row(m, half) * H + channel);
#pragma unroll
      for (int c = 0; c < 2 * N; ++c) z.of[c] = fmaf(z.of[c], scale.of[c], shift.of[c]);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        a[m][k + n][half] = Op::pack_relu(z.of[2 * n], z.of[2 * n + 1]);
      }
    }
  }
};

}  // namespace lorentznet::cuda
