#pragma once

#include "engine/engine.h"
#include "engine/pairs.h"

namespace lorentznet::fused {

// What needs no visit of the edges: closed forms over the nodes and pairs of a jet, in double.

/// Sums of s and t over the pairs of a jet, out of products_of_pairs.
template <typename Simd>
class PairSums {
 public:
  template <typename T>
  PairSums(const JetShape<Simd>& shape, const T* s, const T* t)
      : s_of(shape.padded), t_of(shape.padded) {
    using D = Doubles<Simd>;
    D total[5] = {};
    for_each_pair(
        shape, [&](int first, int, long place) __attribute__((always_inline)) {
          const D sij = __builtin_convertvector(load<HalfVector<Simd>>(s + place), D);
          const D tij = __builtin_convertvector(load<HalfVector<Simd>>(t + place), D);
          store(s_of.get() + first, load<D>(s_of.get() + first) + sij);
          store(t_of.get() + first, load<D>(t_of.get() + first) + tij);
          total[0] += sij;
          total[1] += tij;
          total[2] += sij * sij;
          total[3] += tij * tij;
          total[4] += sij * tij;
        });
    for (int k = 0; k < 5; ++k) {
      for (int lane = 0; lane < kHalf<Simd>; ++lane) products[k] += total[k][lane];
    }
  }

  Buffer<Simd, double> s_of, t_of;  ///< [n] sum_j s_ij, sum_j t_ij
  double products[5] = {};          ///< sums of s, t, s^2, t^2, s t
};

/// Adds sum z and sum z^2 over the edges of a jet, z_ij = a_i + b_j + u s_ij + v t_ij:
///   sum z   = (n-1)(A + B) + u S + v T
///   sum z^2 = (n-1) sum_i (a_i^2 + b_i^2) + 2 (A B - sum_i a_i b_i)
///             + 2 sum_i (u s_i + v t_i)(a_i + b_i) + u^2 S2 + v^2 T2 + 2 u v ST
/// with capitals for sums over the jet; s and t are symmetric.
template <typename Simd, typename T>
void add_statistics(const LayerParameters<T>& p, const JetInput<T>& jet,
                    const PairSums<Simd>& pairs, const JetStatistics& sums) {
  const int hidden = p.hidden;
  Buffer<Simd, double> a_sum(hidden), b_sum(hidden), square(hidden), cross(hidden), mixed(hidden);
  for (int i = 0; i < jet.n; ++i) {
    const T* a = jet.a_b + 2L * hidden * i;
    const T* b = a + hidden;
    const double s = pairs.s_of[i], t = pairs.t_of[i];
    for (int c = 0; c < hidden; ++c) {
      const double ai = a[c], bi = b[c];
      a_sum[c] += ai;
      b_sum[c] += bi;
      square[c] += ai * ai + bi * bi;
      cross[c] += ai * bi;
      mixed[c] += (ai + bi) * (p.u[c] * s + p.v[c] * t);
    }
  }
  const auto& [s_sum, t_sum, s2, t2, st] = pairs.products;
  for (int c = 0; c < hidden; ++c) {
    const double u = p.u[c], v = p.v[c];
    sums.z[c] += (jet.n - 1) * (a_sum[c] + b_sum[c]) + u * s_sum + v * t_sum;
    sums.z2[c] += (jet.n - 1) * square[c] + 2 * (a_sum[c] * b_sum[c] - cross[c]) + 2 * mixed[c] +
                  u * u * s2 + v * v * t2 + 2 * u * v * st;
  }
}

/// Adds the sums over a jet's edges that the gradients of phi_e.0 and phi_e.1 are made of.
template <typename Simd, typename T>
void add_norm_sums(const LayerParameters<T>& p, const JetInput<T>& jet, const PairSums<Simd>& pairs,
                   const T* receivers, const T* senders, const LayerGradients<T>& sums) {
  double* __restrict const output = sums.norm_output;
  double* __restrict const with_z = sums.norm_z;
  double* __restrict const s_z = sums.s_z;
  double* __restrict const t_z = sums.t_z;
  for (int i = 0; i < jet.n; ++i) {
    const T* a = jet.a_b + 2L * p.hidden * i;
    const T* b = a + p.hidden;
    const T* received = receivers + static_cast<long>(p.hidden) * i;
    const T* sent = senders + static_cast<long>(p.hidden) * i;
    const double s = pairs.s_of[i], t = pairs.t_of[i];
    for (int c = 0; c < p.hidden; ++c) {
      const double ai = a[c], bi = b[c];
      output[c] += received[c];
      with_z[c] += ai * received[c] + bi * sent[c];
      s_z[c] += s * (ai + bi);
      t_z[c] += t * (ai + bi);
    }
  }
  for (int k = 0; k < 5; ++k) sums.products[k] += pairs.products[k];
}

/// dL/da_i and dL/db_i: dL/dz_ij = scale (q_ij - mean - slope (z_ij - z_mean)), summed over j.
template <typename Simd, typename T>
void gradients_of_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                        const JetInput<T>& jet, const PairSums<Simd>& pairs, const T* receivers,
                        const T* senders, T* gradient) {
  const int hidden = p.hidden;
  const double degree = jet.n - 1;
  Buffer<Simd, double> a_sum(hidden), b_sum(hidden);
  for (int i = 0; i < jet.n; ++i) {
    for (int c = 0; c < hidden; ++c) {
      a_sum[c] += jet.a_b[2L * hidden * i + c];
      b_sum[c] += jet.a_b[2L * hidden * i + hidden + c];
    }
  }
  for (int i = 0; i < jet.n; ++i) {
    const T* a = jet.a_b + 2L * hidden * i;
    const T* b = a + hidden;
    T* __restrict const to = gradient + 2L * hidden * i;
    const double s = pairs.s_of[i], t = pairs.t_of[i];
    for (int c = 0; c < hidden; ++c) {
      const double pair = p.u[c] * s + p.v[c] * t;
      const double z_received = degree * (a[c] - norm.z_mean[c]) + (b_sum[c] - b[c]) + pair;
      const double z_sent = degree * (b[c] - norm.z_mean[c]) + (a_sum[c] - a[c]) + pair;
      const double constant = degree * norm.mean[c], slope = norm.slope[c], scale = p.scale[c];
      const long at = static_cast<long>(hidden) * i + c;
      to[c] = static_cast<T>(scale * (receivers[at] - constant - slope * z_received));
      to[hidden + c] = static_cast<T>(scale * (senders[at] - constant - slope * z_sent));
    }
  }
}

/// What batch norm's statistics take from the gradient of s_ij (column u) or t_ij (column v),
///   sum_c column_c scale_c (mean_c + slope_c (z_ijc - z_mean_c)),
/// for the edges (i, j) and (j, i) together:
///   2 constant + of[i] + of[j] + 2 (by_s s_ij + by_t t_ij).
template <typename Simd>
class NormPairTerm {
 public:
  template <typename T>
  NormPairTerm(const LayerParameters<T>& p, const NormGradient<T>& norm, const JetInput<T>& jet,
               const T* column)
      : of(JetShape<Simd>(jet.n).padded) {
    constexpr int N = kHalf<Simd>;
    Buffer<Simd, double> slopes(p.hidden, Unset{});
    for (int c = 0; c < p.hidden; ++c) {
      const double weight = static_cast<double>(column[c]) * p.scale[c];
      slopes[c] = weight * norm.slope[c];
      constant += weight * norm.mean[c] - slopes[c] * norm.z_mean[c];
      by_s += slopes[c] * p.u[c];
      by_t += slopes[c] * p.v[c];
    }
    for (int i = 0; i < jet.n; ++i) {
      const T* a = jet.a_b + 2L * p.hidden * i;
      const T* b = a + p.hidden;
      double lanes[N] = {};
      int c = 0;
      for (; c + N <= p.hidden; c += N) {
        for (int k = 0; k < N; ++k) lanes[k] += slopes[c + k] * (a[c + k] + b[c + k]);
      }
      for (; c < p.hidden; ++c) lanes[0] += slopes[c] * (a[c] + b[c]);
      for (const double value : lanes) of[i] += value;
    }
  }

  double constant = 0, by_s = 0, by_t = 0;
  Buffer<Simd, double> of;  ///< [n]
};

}  // namespace lorentznet::fused
