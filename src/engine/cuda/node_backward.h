#pragma once

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/block_sums.h"
#include "engine/cuda/node_forward.h"

namespace lorentznet::cuda {

// The node part of a layer in training, backward, as src/kernels/fused_nodes.cpp has it: from
// dL/dh' to r = dL/d(output of the batch norm) and its sums (over all ranks), then dL/dz and from
// there to h and the message. WeightGradient has the weights'. Of a batch that ends with a
// ghost, which stands for the padded rows of the published program, each row counts once, but in
// the batch norm's statistics. Rows are written by the lane that has read them, so results may take
// their arguments' place where that is said.

/// What the projections a = h receivers^T and b = h senders^T add to dL/dh.
template <typename Op>
struct ProjectionGradient {
  const typename Op::Pair* weights;  ///< receivers, senders: transposed, by positions
  const float *a, *b;                ///< dL/da, dL/db [P, H]; of the nodes without the ghost
};

/// sums = rows [P, H] + what a projection adds.
template <typename Op, int H, int M>
__device__ __forceinline__ void add_projection(const WarpRows<M>& rows,
                                               const WarpRows<M>& nodes_only, const float* given,
                                               const ProjectionGradient<Op>& by,
                                               RowSums<H, M>& sums) {
  each_group<H>([&](auto columns, int n) {
    constexpr int kColumns = decltype(columns)::value;
    const int channel = Channels<H>::at(n, rows.t, 0);
#pragma unroll
    for (int k = 0; k < 2 * M; ++k) {
      const int m = k / 2, half = k % 2;
      RowPart<kColumns> part{};
      if (rows.exists(m, half)) part = load_part<kColumns>(given + rows.row(m, half) * H + channel);
#pragma unroll
      for (int c = 0; c < 2 * kColumns; ++c) sums[m][n + c / 2][2 * half + c % 2] = part.of[c];
    }
  });
  const auto* const senders = multiply_rows<Op, H>(nodes_only, by.a, by.weights, sums);
  multiply_rows<Op, H>(nodes_only, by.b, senders, sums);
}

/// dL/dh' = given + what the next layer's projections add, and r of relu(norm(z)) out^T.
template <typename Op, int H, bool Last>
struct NodeBackwardOut {
  struct Params {
    int nodes;                    ///< P with the ghost
    bool ghost;                   ///< the last row is the ghost
    const float* given;           ///< [P, H] dL/dh' but for the next layer's projections
    ProjectionGradient<Op> next;  ///< of the next layer; not used in the last one
    float* gradient;              ///< [P, H] dL/dh'; may be `given`; not used in the last layer
    const float* z;               ///< [P, H]
    NormValues norm;
    const typename Op::Pair* weights;  ///< of out: transposed, by columns
    float* r;                          ///< [P, H]
    BlockSums sums;                    ///< [3, H] of r, of r zhat, and of dL/dh' (out's bias)
    float* gradients;  ///< [3, H] the same as floats: beta's, gamma's and out's bias' gradients
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes);
    RowOperands<Op, H, kNodeTiles> a;
    if constexpr (!Last) {
      const WarpRows<kNodeTiles> nodes_only(p.ghost ? p.nodes - 1 : p.nodes);
      RowSums<H, kNodeTiles> sums;
      add_projection<Op, H>(rows, nodes_only, p.given, p.next, sums);
      store_sums<H>(rows, sums, p.gradient);
    }
    // A lane reads what it has written: for sums and operands at a time registers are too few.
    const float* const gradient = Last ? p.given : p.gradient;
    each_group<H>([&](auto positions, int k) {
      load_operands<Op, H, decltype(positions)::value>(rows, gradient, k, a, k);
    });
    multiply_operands<Op, H>(rows, a, p.weights, nullptr, [&p](long row, int channel, auto part) {
      constexpr int kNumbers = sizeof(part) / sizeof(float);
      const auto z = load_part<kNumbers / 2>(p.z + row * H + channel);
      const auto scale = load_part<kNumbers / 2>(p.norm.scale + channel),
                 shift = load_part<kNumbers / 2>(p.norm.shift + channel);
#pragma unroll
      for (int c = 0; c < kNumbers; ++c) {  // as NodeOutput's relu has it
        if (fmaf(z.of[c], scale.of[c], shift.of[c]) <= 0) part.of[c] = 0;
      }
      store_part(p.r + row * H + channel, part);
    });
    add_sums(p, rows);
    if (!add_blocks<kThreads, 3 * H>(p.sums, static_cast<int>(blockIdx.x),
                                     static_cast<int>(gridDim.x))) {
      return;
    }
    for (int k = static_cast<int>(threadIdx.x); k < 3 * H; k += kThreads) {
      p.gradients[k] = static_cast<float>(p.sums.sums[k]);
    }
  }

 private:
  static __device__ __forceinline__ void add_sums(const Params& p,
                                                  const WarpRows<kNodeTiles>& rows) {
    const float* const gradient = Last ? p.given : p.gradient;
    add_columns<3, H>(rows, p.sums.partial + 3L * blockIdx.x * H,
                      [&](auto columns, long row, int, int channel, auto& sums) {
                        constexpr int kColumns = decltype(columns)::value;
                        const long at = row * H + channel;
                        const auto r = load_part<kColumns>(p.r + at);
                        const auto z = load_part<kColumns>(p.z + at);
                        const auto of_h = load_part<kColumns>(gradient + at);
#pragma unroll
                        for (int c = 0; c < 2 * kColumns; ++c) {
                          const double zhat = (z.of[c] - p.norm.mean[channel + c]) *
                                              p.norm.inverse_sigma[channel + c];
                          sums[0][c] += r.of[c];
                          sums[1][c] += r.of[c] * zhat;
                          sums[2][c] += of_h.of[c];
                        }
                      });
  }
};

/// dL/dz = scale (r - w (sum r + zhat sum r zhat) / count), w the row's weight in the statistics,
/// and from there dL/dh = dL/dh' + dL/dz in_h and dL/dmessage = dL/dz in_message.
template <typename Op, int H>
struct NodeBackwardIn {
  struct Params {
    int nodes;   ///< P with the ghost
    bool ghost;  ///< the last row is the ghost
    double ghost_weight;
    const float* z;  ///< [P, H]
    NormValues norm;
    const double* sums;  ///< [2, H] of r and of r zhat, of all ranks
    const double*
        count;  ///< [1] rows in the statistics, of all ranks; 0: those are not the batch's
    float* r;   ///< [P, H] becomes dL/dz
    const typename Op::Pair*
        weights;            ///< in's columns of h, of the message: transposed, by columns
    const float* gradient;  ///< [P, H] dL/dh'
    float* h;               ///< [P, H] dL/dh; may be `gradient`
    float* message;         ///< [P, H] of the nodes without the ghost
    double* partial;        ///< [blocks, H] sums of dL/dz (in's bias)
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes), nodes_only(p.ghost ? p.nodes - 1 : p.nodes);
    RowOperands<Op, H, kNodeTiles> a;
    each_group<H>([&](auto positions, int k) {
      pull_norm<decltype(positions)::value>(p, rows, nodes_only, k, a);
    });
    const auto* const of_message = multiply_operands<Op, H>(
        rows, a, p.weights, nullptr, [&p](long row, int channel, auto part) {
          add_part(part, p.gradient + row * H + channel);
          store_part(p.h + row * H + channel, part);
        });
    multiply_operands<Op, H>(nodes_only, a, of_message, nullptr,
                             [&p](long row, int channel, auto part) {
                               store_part(p.message + row * H + channel, part);
                             });
    add_columns<1, H>(rows, p.partial + static_cast<long>(blockIdx.x) * H,
                      [&](auto columns, long row, int, int channel, auto& sums) {
                        constexpr int kColumns = decltype(columns)::value;
                        const auto part = load_part<kColumns>(p.r + row * H + channel);
#pragma unroll
                        for (int c = 0; c < 2 * kColumns; ++c) sums[0][c] += part.of[c];
                      });
  }

 private:
  /// r becomes dL/dz in tiles k to k + N - 1, which also become operands.
  template <int N>
  static __device__ __forceinline__ void pull_norm(const Params& p,
                                                   const WarpRows<kNodeTiles>& rows,
                                                   const WarpRows<kNodeTiles>& nodes_only, int k,
                                                   RowOperands<Op, H, kNodeTiles>& a) {
    const int channel = Channels<H>::at(k, rows.t, 0);
    const double per_row = *p.count > 0 ? 1 / *p.count : 0;
    double mean[2 * N], slope[2 * N];  // of r against z
#pragma unroll
    for (int c = 0; c < 2 * N; ++c) {
      const double inverse_sigma = p.norm.inverse_sigma[channel + c];
      slope[c] = per_row * p.sums[H + channel + c] * inverse_sigma;
      mean[c] = per_row * p.sums[channel + c] - slope[c] * p.norm.mean[channel + c];
    }
    const auto scale = load_part<N>(p.norm.scale + channel);
#pragma unroll
    for (int row = 0; row < 2 * kNodeTiles; ++row) {
      const int m = row / 2, half = row % 2;
      RowPart<N> part{};
      if (rows.exists(m, half)) {
        const long at = rows.row(m, half) * H + channel;
        const double weight = nodes_only.exists(m, half) ? 1 : p.ghost_weight;
        const auto z = load_part<N>(p.z + at);
        part = load_part<N>(p.r + at);
#pragma unroll
        for (int c = 0; c < 2 * N; ++c) {
          const double from_norm = weight * (mean[c] + slope[c] * z.of[c]);
          part.of[c] = static_cast<float>(scale.of[c] * (part.of[c] - from_norm));
        }
        store_part(p.r + at, part);
      }
#pragma unroll
      for (int n = 0; n < N; ++n) a[m][k + n][half] = Op::pack(part.of[2 * n], part.of[2 * n + 1]);
    }
  }
};

/// dL/dh of the embedding: what layer 0 gives, and what its projections add.
template <typename Op, int H>
struct EncodeBackward {
  struct Params {
    int nodes;                    ///< P with the ghost
    bool ghost;                   ///< the last row is the ghost
    const float* given;           ///< [P, H] dL/dh but for layer 0's projections
    ProjectionGradient<Op> next;  ///< of layer 0
    float* gradient;              ///< [P, H] dL/dh; may be `given`
    BlockSums sums;               ///< [H] of dL/dh
    float* bias;                  ///< [H] the same: the gradient of the embedding's bias
  };
  static constexpr int kThreads = kNodeThreads, kMinBlocks = kNodeBlocks;
  static unsigned blocks(int nodes) { return node_blocks(nodes); }

  static __device__ __forceinline__ void run(const Params& p) {
    const WarpRows<kNodeTiles> rows(p.nodes), nodes_only(p.ghost ? p.nodes - 1 : p.nodes);
    RowSums<H, kNodeTiles> sums;
    add_projection<Op, H>(rows, nodes_only, p.given, p.next, sums);
    store_sums<H>(rows, sums, p.gradient);
    add_columns<1, H>(rows, p.sums.partial + static_cast<long>(blockIdx.x) * H,
                      [&](auto columns, long row, int, int channel, auto& of) {
                        constexpr int kColumns = decltype(columns)::value;
                        const auto part = load_part<kColumns>(p.gradient + row * H + channel);
#pragma unroll
                        for (int c = 0; c < 2 * kColumns; ++c) of[0][c] += part.of[c];
                      });
    if (!add_blocks<kThreads, H>(p.sums, static_cast<int>(blockIdx.x),
                                 static_cast<int>(gridDim.x))) {
      return;
    }
    for (int c = static_cast<int>(threadIdx.x); c < H; c += kThreads) {
      p.bias[c] = static_cast<float>(p.sums.sums[c]);
    }
  }
};

}  // namespace lorentznet::cuda
