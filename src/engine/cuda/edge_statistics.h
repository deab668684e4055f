#pragma once

#include "engine/cuda/layout.h"

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

/// What EdgeStatistics gives, after AddPartials: [2 H + 1] sums of z and z^2 and the number of
/// edges, for NormOfBatch (to be added over ranks), then what the backward pass needs of this rank.
template <int H>
struct EdgeSumsLayout {
  static constexpr int kZ = 0, kSquares = H, kCount = 2 * H;
  static constexpr int kWithS = 2 * H + 1;  ///< [H] sum_ij s_ij (a_i + b_j), in closed form
  static constexpr int kWithT = kWithS + H;
  static constexpr int kPairs = kWithT + H;  ///< [kPairSums] over all pairs
  static constexpr int kColumns = kPairs + kPairSums;
};

/// Sums over the edges of all jets. A block has some jets; a warp a receiver at a time, then a
/// thread a channel.
template <int H>
struct EdgeStatistics {
  using Layout = EdgeSumsLayout<H>;
  struct Params {
    int jets;            ///< J
    const int* offsets;  ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const double* x;     ///< [P, 4]
    const float *a, *b;  ///< [P, H]
    PairColumns columns;
    double* pairs;    ///< [P, kPairSums]
    double* partial;  ///< [blocks, Layout::kColumns]
  };
  static constexpr int kThreads = 128, kMinBlocks = 4;
  static constexpr int kMostBlocks = 1024;
  static_assert(H <= kThreads);
  static unsigned blocks(int jets) { return static_cast<unsigned>(min(jets, kMostBlocks)); }

  static __device__ __forceinline__ void run(const Params& p) {
    const int block = static_cast<int>(blockIdx.x), grid = static_cast<int>(gridDim.x);
    for (int jet = block; jet < p.jets; jet += grid) sum_pairs(p, jet);
    __syncthreads();
    const int channel = static_cast<int>(threadIdx.x);
    if (channel >= H) return;
    Sums sums;
    for (int jet = block; jet < p.jets; jet += grid) add_jet(p, jet, channel, sums);
    write(p, channel, sums);
  }

 private:
  struct Sums {
    double nodes = 0, squares = 0;  ///< of a + b; of z^2 without s and t
    double with_s = 0, with_t = 0;  ///< sum_i s_i (a_i + b_i)
    double pairs[kPairSums] = {}, edges = 0;
  };

  static __device__ __forceinline__ void sum_pairs(const Params& p, int jet) {
    constexpr int kWarps = kThreads / kWarpLanes;
    const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
    const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
    const int first = p.offsets[jet], end = p.offsets[jet + 1];
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

  static __device__ __forceinline__ void add_jet(const Params& p, int jet, int channel,
                                                 Sums& sums) {
    const int first = p.offsets[jet], end = p.offsets[jet + 1];
    const double others = end - first - 1;
    double of_a = 0, of_b = 0, squares = 0, products = 0;
#pragma unroll 4
    for (long i = first; i < end; ++i) {
      const double a = p.a[i * H + channel], b = p.b[i * H + channel];
      const double* const pairs = p.pairs + i * kPairSums;
      of_a += a;
      of_b += b;
      squares += a * a + b * b;
      products += a * b;
      sums.with_s += pairs[0] * (a + b);
      sums.with_t += pairs[1] * (a + b);
#pragma unroll
      for (int k = 0; k < kPairSums; ++k) sums.pairs[k] += pairs[k];
    }
    sums.nodes += others * (of_a + of_b);
    sums.squares += others * squares + 2 * (of_a * of_b - products);
    sums.edges += others * (end - first);
  }

  static __device__ __forceinline__ void write(const Params& p, int channel, const Sums& sums) {
    const double u = p.columns.u[static_cast<long>(channel) * p.columns.step];
    const double v = p.columns.v[static_cast<long>(channel) * p.columns.step];
    double* const to = p.partial + static_cast<long>(blockIdx.x) * Layout::kColumns;
    to[Layout::kZ + channel] = sums.nodes + u * sums.pairs[0] + v * sums.pairs[1];
    to[Layout::kSquares + channel] = sums.squares + 2 * (u * sums.with_s + v * sums.with_t) +
                                     u * u * sums.pairs[2] + v * v * sums.pairs[3] +
                                     2 * u * v * sums.pairs[4];
    to[Layout::kWithS + channel] = sums.with_s;
    to[Layout::kWithT + channel] = sums.with_t;
    if (channel != 0) return;
    to[Layout::kCount] = sums.edges;
#pragma unroll
    for (int k = 0; k < kPairSums; ++k) to[Layout::kPairs + k] = sums.pairs[k];
  }
};

}  // namespace lorentznet::cuda
