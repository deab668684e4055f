#pragma once

#include <cstddef>

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/block_sums.h"

namespace lorentznet::cuda {

// The statistics of phi_e's batch norm without a visit of the edges, as src/engine/edge_nodes.h has
// them: z_ij = a_i + b_j + u s_ij + v t_ij, summed over all i != j of a jet.

/// Columns u and v of phi_e.0's weights [H, 2 H + 2].
struct PairColumns {
  const float *u, *v;  ///< that of channel 0
  int step;            ///< from a channel to the next one
};

/// Coordinates of a receiver and a sender.
struct NodePair {
  double receiver[4], sender[4];

  /// \param x [P, 4]
  __device__ __forceinline__ NodePair(const double* x, long i, long j) {
    read(x + 4 * i, receiver);
    read(x + 4 * j, sender);
  }
  __device__ __forceinline__ double difference(int k) const { return receiver[k] - sender[k]; }
  /// |x_i - x_j|^2
  __device__ __forceinline__ double distance() const {
    const double d0 = difference(0), d1 = difference(1), d2 = difference(2), d3 = difference(3);
    return d0 * d0 - d1 * d1 - d2 * d2 - d3 * d3;
  }
  /// <x_i, x_j>
  __device__ __forceinline__ double product() const {
    return receiver[0] * sender[0] - receiver[1] * sender[1] - receiver[2] * sender[2] -
           receiver[3] * sender[3];
  }
  /// psi(p) = sign(p) ln(1 + |p|)
  static __device__ __forceinline__ double psi(double p) {
    const auto f = static_cast<float>(p);
    return prim::with_sign_of(log1pf(fabsf(f)), f);
  }
  /// psi'(p) = 1 / (1 + |p|), 0 at 0
  static __device__ __forceinline__ double psi_slope(double p) {
    const float slope = 1.0F / (1.0F + fabsf(static_cast<float>(p)));
    return p == 0 ? 0.0 : slope;
  }

 private:
  static __device__ __forceinline__ void read(const double* from, double (&to)[4]) {
    const auto* const halves = reinterpret_cast<const double2*>(from);
    const double2 first = halves[0], last = halves[1];
    to[0] = first.x, to[1] = first.y, to[2] = last.x, to[3] = last.y;
  }
};

/// Sums over a receiver's senders, in double: of s, t, s^2, t^2, s t.
inline constexpr int kPairSums = 5;

/// Adds the values of a warp's lanes; all of them get the sum.
__device__ __forceinline__ double sum_of_lanes(double value) {
#pragma unroll
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, distance);
  }
  return value;
}

/// What EdgeStatistics gives: [2 H + 1] sums of z and z^2 and the number of edges, for NormOfBatch
/// (of several ranks, to be added before), then what the backward pass needs of this rank.
template <int H>
struct EdgeSumsLayout {
  static constexpr int kZ = 0, kSquares = H, kCount = 2 * H;
  static constexpr int kWithS = 2 * H + 1;  ///< [H] sum_ij s_ij (a_i + b_j), in closed form
  static constexpr int kWithT = kWithS + H;
  static constexpr int kPairs = kWithT + H;  ///< [kPairSums] over all pairs
  static constexpr int kColumns = kPairs + kPairSums;
};

/// Nodes of a jet shared out to the threads of a block: a thread has a channel and every
/// kGroups-th node. Threads behind the last group have none.
template <int H, int kThreads>
struct ChannelGroups {
  static constexpr int kGroups = kThreads / H;
  static_assert(kGroups > 0);

  __device__ __forceinline__ ChannelGroups()
      : channel(static_cast<int>(threadIdx.x) % H), group(static_cast<int>(threadIdx.x) / H) {}
  __device__ __forceinline__ bool exists() const { return group < kGroups; }
  /// Sum over the groups of what each of them has written. \param of_groups [kGroups, H]
  __device__ __forceinline__ double sum(const double* of_groups) const {
    double sum = 0;
#pragma unroll
    for (int k = 0; k < kGroups; ++k) sum += of_groups[k * H + channel];
    return sum;
  }

  int channel, group;
};

/// Sums over the edges, and the batch norm that they make. A block a jet: a warp a receiver at a
/// time, then a thread a channel.
template <int H>
struct EdgeStatistics {
  using Layout = EdgeSumsLayout<H>;
  struct Params {
    const int* offsets;  ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const double* x;     ///< [P, 4]
    const float *a, *b;  ///< [P, H]
    PairColumns columns;
    double* pairs;   ///< [P, kPairSums]
    BlockSums sums;  ///< Layout::kColumns
    NormOfBatch::Params norm;
    bool alone;  ///< no other rank has edges: the batch norm is made here
  };
  static constexpr int kThreads = 256, kMinBlocks = 2;
  static std::size_t shared_bytes() {
    return (kSums * Groups::kGroups * H + kPairSums) * sizeof(double) + 2 * (16 + prim::redzone());
  }

  static __device__ __forceinline__ void run(const Params& p) {
    prim::Carver carver;
    auto* const sums = carver.template take<double>(kSums * Groups::kGroups * H);
    auto* const of_pairs = carver.template take<double>(kPairSums);
    const int jet = static_cast<int>(blockIdx.x);
    const int first = p.offsets[jet], end = p.offsets[jet + 1];
    sum_pairs(p, first, end);
    __syncthreads();
    const Groups groups;
    if (groups.exists()) sum_channel(p, groups, first, end, sums);
    add_pairs(p, first, end, of_pairs);
    __syncthreads();
    if (groups.group == 0) write(p, groups, end - first, sums, of_pairs);
    if (!add_blocks<kThreads, Layout::kColumns>(p.sums, jet, static_cast<int>(gridDim.x))) return;
    if (p.alone) NormOfBatch::run<kThreads>(p.norm);
  }

 private:
  using Groups = ChannelGroups<H, kThreads>;
  static constexpr int kWarps = kThreads / kWarpLanes;
  static constexpr int kSums = 6;  ///< of a, b, a^2 + b^2, a b, s (a + b), t (a + b)

  static __device__ __forceinline__ void sum_pairs(const Params& p, int first, int end) {
    const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
    const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
    for (int i = first + warp; i < end; i += kWarps) {
      double sums[kPairSums] = {};
      for (int j = first + lane; j < end; j += kWarpLanes) {
        if (j == i) continue;
        const NodePair pair(p.x, i, j);
        const double s = NodePair::psi(pair.distance()), t = NodePair::psi(pair.product());
        sums[0] += s;
        sums[1] += t;
        sums[2] += s * s;
        sums[3] += t * t;
        sums[4] += s * t;
      }
#pragma unroll
      for (int k = 0; k < kPairSums; ++k) {
        const double sum = sum_of_lanes(sums[k]);
        if (lane == 0) p.pairs[static_cast<long>(kPairSums) * i + k] = sum;
      }
    }
  }

  /// Over the nodes of a group.
  static __device__ __forceinline__ void sum_channel(const Params& p, const Groups& groups,
                                                     int first, int end, double* to) {
    double sums[kSums] = {};
#pragma unroll 4
    for (long i = first + groups.group; i < end; i += Groups::kGroups) {
      const double a = p.a[i * H + groups.channel], b = p.b[i * H + groups.channel];
      sums[0] += a;
      sums[1] += b;
      sums[2] += a * a + b * b;
      sums[3] += a * b;
      sums[4] += p.pairs[i * kPairSums] * (a + b);
      sums[5] += p.pairs[i * kPairSums + 1] * (a + b);
    }
#pragma unroll
    for (int k = 0; k < kSums; ++k) to[k * Groups::kGroups * H + threadIdx.x] = sums[k];
  }

  /// Over all receivers; a warp a kind of sum.
  static __device__ __forceinline__ void add_pairs(const Params& p, int first, int end,
                                                   double* to) {
    const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
    const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
    static_assert(kPairSums <= kWarps);
    if (warp >= kPairSums) return;
    double sum = 0;
    for (long i = first + lane; i < end; i += kWarpLanes) sum += p.pairs[i * kPairSums + warp];
    sum = sum_of_lanes(sum);
    if (lane == 0) to[warp] = sum;
  }

  static __device__ __forceinline__ void write(const Params& p, const Groups& groups, int nodes,
                                               const double* sums, const double* pairs) {
    const int c = groups.channel;
    const double u = p.columns.u[static_cast<long>(c) * p.columns.step];
    const double v = p.columns.v[static_cast<long>(c) * p.columns.step];
    const double others = nodes - 1;
    double total[kSums];
#pragma unroll
    for (int k = 0; k < kSums; ++k) total[k] = groups.sum(sums + k * Groups::kGroups * H);
    const auto [of_a, of_b, squares, products, with_s, with_t] = total;
    double* const to = p.sums.partial + static_cast<long>(blockIdx.x) * Layout::kColumns;
    to[Layout::kZ + c] = others * (of_a + of_b) + u * pairs[0] + v * pairs[1];
    to[Layout::kSquares + c] = others * squares + 2 * (of_a * of_b - products) +
                               2 * (u * with_s + v * with_t) + u * u * pairs[2] + v * v * pairs[3] +
                               2 * u * v * pairs[4];
    to[Layout::kWithS + c] = with_s;
    to[Layout::kWithT + c] = with_t;
    if (c < kPairSums) to[Layout::kPairs + c] = pairs[c];
    if (c == 0) to[Layout::kCount] = others * nodes;
  }
};

}  // namespace lorentznet::cuda
