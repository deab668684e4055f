#pragma once

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/node_forward.h"
#include "engine/cuda/partial_sums.h"

namespace lorentznet::cuda {

// The node part of a layer in training, forward: z = phi_h.0, its statistics (AddPartials,
// NormOfBatch), then the rest of phi_h. A batch may end with a ghost row, which stands for the
// padded rows of the published program: it has no message, and a weight in the statistics.

/// z = in [h, message, scalars] + bias, and sums over the rows of each block.
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
    double* partial;                   ///< [blocks, 2, H] sums of z and of z^2
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
    add_columns<2, H>(rows, p.partial + 2L * blockIdx.x * H,
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
