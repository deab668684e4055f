#pragma once

#include <cstddef>

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/edge_statistics.h"

namespace lorentznet::cuda {

// From q_ij = dL/d(output of phi_e's batch norm) to the nodes and coordinates, without a visit of
// the edges, as src/kernels/fused_edges.cpp and src/engine/edge_nodes.h have it. With G = sum q and
// Gz = sum q zhat over the E edges of all ranks,
//   dL/dz_ij = scale (q_ij - mean - slope (z_ij - z_mean)), mean = G / E, slope = Gz / (E sigma).

/// What EdgeInputGradients needs of the statistics' gradient. Batch norm's statistics take from the
/// gradient of s_ij (column w = u) or t_ij (w = v)
///   sum_c w_c scale_c (mean_c + slope_c (z_ijc - z_mean_c)),
/// in the mean with that of (j, i), is
///   constant + of[i] + of[j] + by_s s_ij + by_t t_ij, of[i] = sum_c weight_c (a_ic + b_ic) / 2.
template <int H>
struct EdgeNormTerms {
  static constexpr int kMean = 0, kSlope = H;
  static constexpr int kWeightOfS = 2 * H, kWeightOfT = 3 * H;
  /// constant, by_s, by_t of s, then of t
  static constexpr int kNumbersOfS = 4 * H, kNumbersOfT = 4 * H + 3;
  static constexpr int kSize = 4 * H + 6;
};

/// Gradients of gamma, beta, u and v, and EdgeNormTerms. One block, a thread a channel: the last
/// one of EdgeReduction, or, if other ranks have sums, too, a launch of its own.
template <int H>
struct EdgeNormGradients {
  using Terms = EdgeNormTerms<H>;
  struct Params {
    const double* statistics;  ///< EdgeSumsLayout; the number of edges that of all ranks
    const double* sums;        ///< [4, H] of q, (a + b) q, s q and t q over this rank's edges
    const double* total;       ///< [4, H] the same over all ranks' edges
    NormValues norm;
    PairColumns columns;
    float *gamma, *beta;  ///< [H] gradients
    float *u, *v;         ///< gradients, as `columns`
    double* terms;        ///< [Terms::kSize]
  };
  static constexpr int kThreads = 128, kMinBlocks = 1;
  static_assert(H <= kThreads);
  static std::size_t shared_bytes() { return 6 * H * sizeof(double) + prim::redzone(); }

  static __device__ __forceinline__ void run(const Params& p) { run<kThreads>(p); }

  /// By a block of that many threads.
  template <int Threads>
  static __device__ __forceinline__ void run(const Params& p) {
    prim::Carver carver;
    auto* const products = carver.template take<double>(6 * H);
    const int channel = static_cast<int>(threadIdx.x);
    if (channel < H) of_channel(p, channel, products);
    __syncthreads();
    constexpr int kWarps = Threads / kWarpLanes;
    const int warp = channel / kWarpLanes, lane = channel % kWarpLanes;
    for (int k = warp; k < 6; k += kWarps) {
      double sum = 0;
      for (int c = lane; c < H; c += kWarpLanes) sum += products[k * H + c];
      sum = sum_of_lanes(sum);
      if (lane == 0) p.terms[Terms::kNumbersOfS + k] = sum;
    }
  }

 private:
  using Layout = EdgeSumsLayout<H>;

  static __device__ __forceinline__ void of_channel(const Params& p, int c, double* products) {
    const long at = static_cast<long>(c) * p.columns.step;
    const double u = p.columns.u[at], v = p.columns.v[at], scale = p.norm.scale[c];
    const double z_mean = p.norm.mean[c], inverse_sigma = p.norm.inverse_sigma[c];
    const auto with_zhat = [&](const double* sums) {
      const double with_z = sums[H + c] + u * sums[2 * H + c] + v * sums[3 * H + c];
      return (with_z - z_mean * sums[c]) * inverse_sigma;
    };
    p.beta[c] = static_cast<float>(p.sums[c]);
    p.gamma[c] = static_cast<float>(with_zhat(p.sums));
    const double edges = p.statistics[Layout::kCount];  // 0: the statistics are not the batch's
    const double mean = edges > 0 ? p.total[c] / edges : 0;
    const double slope = edges > 0 ? with_zhat(p.total) / edges * inverse_sigma : 0;

    const double* const pairs = p.statistics + Layout::kPairs;
    const double s = pairs[0], t = pairs[1], s2 = pairs[2], t2 = pairs[3], st = pairs[4];
    const double s_z = p.statistics[Layout::kWithS + c] + u * s2 + v * st - z_mean * s;
    const double t_z = p.statistics[Layout::kWithT + c] + u * st + v * t2 - z_mean * t;
    p.u[at] = static_cast<float>(scale * (p.sums[2 * H + c] - s * mean - slope * s_z));
    p.v[at] = static_cast<float>(scale * (p.sums[3 * H + c] - t * mean - slope * t_z));

    p.terms[Terms::kMean + c] = mean;
    p.terms[Terms::kSlope + c] = slope;
    for (int k = 0; k < 2; ++k) {
      const double column = (k ? v : u) * scale, weight = column * slope;
      p.terms[(k ? Terms::kWeightOfT : Terms::kWeightOfS) + c] = weight;
      products[(3 * k + 0) * H + c] = column * mean - weight * z_mean;
      products[(3 * k + 1) * H + c] = weight * u;
      products[(3 * k + 2) * H + c] = weight * v;
    }
  }
};

/// dL/da, dL/db and dL/dx of a layer. A block a jet: a thread a channel, then a warp a node.
template <int H>
struct EdgeInputGradients {
  using Terms = EdgeNormTerms<H>;
  struct Params {
    int most_nodes;      ///< of a jet
    const int* offsets;  ///< [J + 1]
    const float *a, *b;  ///< [P, H]
    PairColumns columns;
    NormValues norm;
    const double* terms;               ///< EdgeNormTerms
    const double* pairs;               ///< [P, kPairSums] of EdgeStatistics
    const float *receivers, *senders;  ///< [P, H] sum_j q_ij, sum_i q_ij
    float *a_gradient, *b_gradient;    ///< [P, H]; may be `a`, `b`

    // The first layer's x is given: then `x_gradient` is null, and what follows is not used.
    const double* x;  ///< [P, 4]
    /// sum_c w_c scale_c q_ijc, w = u and v, of pair (i, j) at first_pair[i] + n j + i, with
    /// receiver i and sender j counted from the jet's first node, n nodes
    const float *s, *t;
    const int* first_pair;  ///< [P]
    const double* given;    ///< [P, 4] dL/d(the layer's new x); null: there is none
    const double* direct;   ///< [P, 4] what the translations give; null: they are not used
    double* x_gradient;     ///< [P, 4]; may be `given`
    double c_weight;        ///< of the layer below
    /// [P, 4] dL/d(sum of translations) in the layer below: c_weight / max(1, n - 1) x_gradient
    double* translation;
  };
  static constexpr int kThreads = 256, kMinBlocks = 2;
  static std::size_t shared_bytes(int most_nodes) {
    return (2 * Groups::kGroups * H + 2 * static_cast<std::size_t>(most_nodes)) * sizeof(double) +
           3 * (16 + prim::redzone());
  }

  static __device__ __forceinline__ void run(const Params& p) {
    prim::Carver carver;
    auto* const sums = carver.template take<double>(2 * Groups::kGroups * H);
    auto* const of_s = carver.template take<double>(p.most_nodes);
    auto* const of_t = carver.template take<double>(p.most_nodes);
    const int jet = static_cast<int>(blockIdx.x);
    const int first = p.offsets[jet], nodes = p.offsets[jet + 1] - first;
    const Groups groups;
    if (groups.exists()) sum_channel(p, groups, first, first + nodes, sums);
    constexpr int kWarps = kThreads / kWarpLanes;
    const int warp = static_cast<int>(threadIdx.x) / kWarpLanes;
    for (int i = warp; p.x_gradient && i < nodes; i += kWarps) {
      const double s = half_product(p, p.terms + Terms::kWeightOfS, first + i);
      const double t = half_product(p, p.terms + Terms::kWeightOfT, first + i);
      if (static_cast<int>(threadIdx.x) % kWarpLanes != 0) continue;
      of_s[i] = s;
      of_t[i] = t;
    }
    __syncthreads();
    if (groups.exists()) of_nodes(p, groups, first, nodes, sums);
    if (!p.x_gradient) return;
    for (int i = warp; i < nodes; i += kWarps) of_coordinates(p, first, nodes, i, of_s, of_t);
  }

 private:
  using Groups = ChannelGroups<H, kThreads>;

  /// Of a and b over the nodes of a group.
  static __device__ __forceinline__ void sum_channel(const Params& p, const Groups& groups,
                                                     int first, int end, double* to) {
    double of_a = 0, of_b = 0;
#pragma unroll 4
    for (long i = first + groups.group; i < end; i += Groups::kGroups) {
      of_a += p.a[i * H + groups.channel];
      of_b += p.b[i * H + groups.channel];
    }
    to[threadIdx.x] = of_a;
    to[Groups::kGroups * H + threadIdx.x] = of_b;
  }

  static __device__ __forceinline__ void of_nodes(const Params& p, const Groups& groups, int first,
                                                  int nodes, const double* sums) {
    const int c = groups.channel;
    const double of_a = groups.sum(sums), of_b = groups.sum(sums + Groups::kGroups * H);
    const double u = p.columns.u[static_cast<long>(c) * p.columns.step];
    const double v = p.columns.v[static_cast<long>(c) * p.columns.step];
    const double scale = p.norm.scale[c], z_mean = p.norm.mean[c], others = nodes - 1;
    const double mean = others * p.terms[Terms::kMean + c], slope = p.terms[Terms::kSlope + c];
#pragma unroll 2
    for (long i = first + groups.group; i < first + nodes; i += Groups::kGroups) {
      const double a = p.a[i * H + c], b = p.b[i * H + c];
      const double pair = u * p.pairs[kPairSums * i] + v * p.pairs[kPairSums * i + 1];
      const double received = others * (a - z_mean) + (of_b - b) + pair;
      const double sent = others * (b - z_mean) + (of_a - a) + pair;
      p.a_gradient[i * H + c] =
          static_cast<float>(scale * (p.receivers[i * H + c] - mean - slope * received));
      p.b_gradient[i * H + c] =
          static_cast<float>(scale * (p.senders[i * H + c] - mean - slope * sent));
    }
  }

  /// sum_c weight_c (a_c + b_c) / 2 of a node, by a warp.
  static __device__ __forceinline__ double half_product(const Params& p, const double* weights,
                                                        long node) {
    double sum = 0;
    for (int c = static_cast<int>(threadIdx.x) % kWarpLanes; c < H; c += kWarpLanes) {
      sum += weights[c] * (static_cast<double>(p.a[node * H + c]) + p.b[node * H + c]);
    }
    return sum_of_lanes(sum) / 2;
  }

  /// dL/dx of a node: both (i, j) and (j, i) have the same s and t.
  static __device__ __forceinline__ void of_coordinates(const Params& p, int first, int nodes,
                                                        int i, const double* of_s,
                                                        const double* of_t) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
    const long pairs = p.first_pair[first];
    const double* const numbers = p.terms + Terms::kNumbersOfS;
    double sum[4] = {};
    for (int j = lane; j < nodes; j += kWarpLanes) {
      if (j == i) continue;
      const NodePair pair(p.x, first + i, first + j);
      const double distance = pair.distance(), product = pair.product();
      const double s = NodePair::psi(distance), t = NodePair::psi(product);
      const long there = pairs + static_cast<long>(j) * nodes + i;
      const long back = pairs + static_cast<long>(i) * nodes + j;
      const double from_s = numbers[0] + of_s[i] + of_s[j] + numbers[1] * s + numbers[2] * t;
      const double from_t = numbers[3] + of_t[i] + of_t[j] + numbers[4] * s + numbers[5] * t;
      const double ds = static_cast<double>(p.s[there]) + p.s[back] - 2 * from_s;
      const double dt = static_cast<double>(p.t[there]) + p.t[back] - 2 * from_t;
      const double apart = 2 * ds * NodePair::psi_slope(distance);
      const double along = dt * NodePair::psi_slope(product);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const double value = apart * pair.difference(k) + along * pair.sender[k];
        sum[k] += k == 0 ? value : -value;
      }
    }
    const double step = p.c_weight / max(1, nodes - 1);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      double value = sum_of_lanes(sum[k]);
      if (lane != 0) continue;
      const long at = 4L * (first + i) + k;
      if (p.direct) value += p.direct[at];
      if (p.given) value += p.given[at];
      p.x_gradient[at] = value;
      p.translation[at] = step * value;
    }
  }
};

}  // namespace lorentznet::cuda
