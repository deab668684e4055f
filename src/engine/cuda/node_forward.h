#pragma once

#include "engine/cuda/row_products.h"

namespace lorentznet::cuda {

// The node part of a network in inference: embedding, phi_h, and what each layer's edges need of
// its nodes. Batch norms are part of the weights. Rows [P, H] of all jets of a batch, end to end.

/// a = h receivers^T + receiver_bias, b = h senders^T
template <typename Op>
struct Projection {
  const typename Op::Pair* weights;  ///< as pack_projection() writes them
  const float* receiver_bias;        ///< [H]; null: zeros
  float *a, *b;                      ///< [P, H]
};

template <typename Op, int H, int M>
__device__ __forceinline__ void project(const WarpRows<M>& rows, const RowOperands<Op, H, M>& h,
                                        const Projection<Op>& to) {
  const auto write = [](float* rows_of) {
    return [rows_of](long row, int channel, const auto& part) {
      store_part(rows_of + row * H + channel, part);
    };
  };
  const auto* const senders =
      multiply_operands<Op, H>(rows, h, to.weights, to.receiver_bias, write(to.a));
  multiply_operands<Op, H>(rows, h, senders, nullptr, write(to.b));
}

inline constexpr int kNodeTiles = 2;     ///< tiles of 16 nodes of a warp, which share its weights
inline constexpr int kNodeThreads = 32;  ///< of a block: many blocks, also for small batches
inline constexpr int kNodeBlocks = 8;    ///< on a multiprocessor, at least: up to 255 registers

/// Of a launch.
inline unsigned node_blocks(int nodes) {
  constexpr int kRows = kNodeThreads / kWarpLanes * WarpRows<kNodeTiles>::kRows;
  return static_cast<unsigned>((nodes + kRows - 1) / kRows);
}

/// Begins a batch: node and jet find each other, coordinates, embedding, a and b of the first
/// layer.
template <typename Op, int H>
struct Encode {
  struct Params {
    int nodes, jets, scalars;  ///< P, J, S
    const int* offsets;        ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const double* momenta;     ///< [P, 4]
    const float* features;     ///< [P, S]
    const float* embedding;    ///< as pack_embedding() writes it
    Projection<Op> next;       ///< of layer 0
    int2* span;                ///< [P] first node and end of the node's jet
    double* x;                 ///< [P, 4] coordinates
    float* h;                  ///< [P, H]
    bool ghost = false;        ///< the last of `nodes` is the ghost of no jet: only h, a and b
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes);
    if (rows.count <= 0) return;
    if (rows.lane < rows.count - (p.ghost && rows.first + rows.count == p.nodes)) {
      begin_node(p, rows.first + rows.lane);
    }
    RowSums<H, kNodeTiles> sums;
    multiply_scalars<H>(rows, p.features, p.scalars, p.embedding + H, p.embedding, sums);
    RowOperands<Op, H, kNodeTiles> h;
    store_sums<Op, H>(rows, sums, p.h, h);
    project<Op, H>(rows, h, p.next);
  }

 private:
  static __device__ __forceinline__ void begin_node(const Params& p, long node) {
    int jet = 0, end = p.jets;  // offsets[jet] <= node < offsets[end]
    while (end - jet > 1) {
      const int middle = jet + (end - jet) / 2;
      (p.offsets[middle] <= node ? jet : end) = middle;
    }
    p.span[node] = int2{p.offsets[jet], p.offsets[jet + 1]};
    const auto* const from = reinterpret_cast<const double2*>(p.momenta + 4 * node);
    auto* const to = reinterpret_cast<double2*>(p.x + 4 * node);
    to[0] = from[0];
    to[1] = from[1];
  }
};

/// to_i = x_i + c_weight / max(1, n - 1) sum_j (x_i - x_j) phi_x(m_ij) \param jet  the node's
/// \param translation, x, to [4]
__device__ __forceinline__ void move_node(int2 jet, double c_weight, const double* translation,
                                          const double* x, double* to) {
  const double step = c_weight / max(1, jet.y - jet.x - 1);
  const auto* const by = reinterpret_cast<const double2*>(translation);
  const auto* const from = reinterpret_cast<const double2*>(x);
  auto* const moved = reinterpret_cast<double2*>(to);
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const double2 was = from[k], way = by[k];
    moved[k] = double2{was.x + step * way.x, was.y + step * way.y};
  }
}

/// The node part of a layer: h += phi_h([h, message, scalars]). If it is not the last one, also the
/// coordinates and the next layer's a and b.
template <typename Op, int H, bool Last>
struct NodeForward {
  struct Params {
    int nodes, scalars;                ///< P, S
    const float* message;              ///< [P, H] sum_j m_ij
    const float* features;             ///< [P, S]
    const typename Op::Pair* weights;  ///< as pack_update() writes them
    const float* vectors;              ///< the same
    float* h;                          ///< [P, H] from one layer to the next
    // null in the last layer:
    Projection<Op> next;        ///< of the next layer
    double c_weight;            ///< weight of the coordinate updates
    const int2* span;           ///< [P] first node and end of the node's jet
    const double* translation;  ///< [P, 4] sum_j of a node
    double* x;                  ///< [P, 4] from one layer to the next
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes);
    if (rows.count <= 0) return;
    const float *const in_bias = p.vectors, *const out_bias = p.vectors + H;
    RowSums<H, kNodeTiles> sums;
    multiply_scalars<H>(rows, p.features, p.scalars, p.vectors + 2 * H, in_bias, sums);
    const auto* weights = multiply_rows<Op, H>(rows, p.h, p.weights, sums);
    weights = multiply_rows<Op, H>(rows, p.message, weights, sums);
    RowOperands<Op, H, kNodeTiles> a;
#pragma unroll
    for (int m = 0; m < kNodeTiles; ++m) {
#pragma unroll
      for (int n = 0; n < Channels<H>::kTiles; ++n) {
        a[m][n][0] = Op::pack_relu(sums[m][n][0], sums[m][n][1]);
        a[m][n][1] = Op::pack_relu(sums[m][n][2], sums[m][n][3]);
      }
    }
    multiply_operands<Op, H>(rows, a, weights, out_bias, [&p](long row, int channel, auto part) {
      float* const h = p.h + row * H + channel;
      add_part(part, h);
      store_part(h, part);
    });
    if constexpr (!Last) {
      // A lane reads what it has written.
      each_group<H>([&](auto positions, int k) {
        load_operands<Op, H, decltype(positions)::value>(rows, p.h, k, a, k);
      });
      project<Op, H>(rows, a, p.next);
      if (rows.lane < rows.count) {
        const long node = rows.first + rows.lane;
        move_node(p.span[node], p.c_weight, p.translation + 4 * node, p.x + 4 * node,
                  p.x + 4 * node);
      }
    }
  }
};

}  // namespace lorentznet::cuda
