#pragma once

#include "engine/engine.h"
#include "engine/pairs.h"

namespace lorentznet::fused {

// What needs no visit of the edges: closed forms over the nodes and pairs of a jet, in double.

/// Sums of s and t over the pairs of a jet, out of products_of_pairs.
template <typename S>
class PairSums {
 public:
  template <typename T>
  PairSums(int n, const T* s, const T* t) : s_of(n, Unset{}), t_of(n, Unset{}) {
    EightSums<S> total[5];
    for (int i = 0; i < n; ++i, s += pair_step(n), t += pair_step(n)) {
      EightSums<S> s_sum, t_sum;
      for (int j = 0; j < n; j += kPairs<S>) {
        const Doubles<S> sij = __builtin_convertvector(load<OfPairs<S>>(s + j), Doubles<S>);
        const Doubles<S> tij = __builtin_convertvector(load<OfPairs<S>>(t + j), Doubles<S>);
        s_sum.add(sij, j);
        t_sum.add(tij, j);
        total[2].add(sij * sij, j);
        total[3].add(tij * tij, j);
        total[4].add(sij * tij, j);
      }
      s_of[i] = s_sum.total();
      t_of[i] = t_sum.total();
      products[0] += s_of[i];
      products[1] += t_of[i];
    }
    for (int k = 2; k < 5; ++k) products[k] = total[k].total();
  }

  Buffer<S, double> s_of, t_of;  ///< [n] sum_j s_ij, sum_j t_ij
  double products[5] = {};       ///< sums of s, t, s^2, t^2, s t
};

/// Adds sum z and sum z^2 over the edges of a jet, z_ij = a_i + b_j + u s_ij + v t_ij:
///   sum z   = (n-1)(A + B) + u S + v T
///   sum z^2 = (n-1) sum_i (a_i^2 + b_i^2) + 2 (A B - sum_i a_i b_i)
///             + 2 sum_i (u s_i + v t_i)(a_i + b_i) + u^2 S2 + v^2 T2 + 2 u v ST
/// with capitals for sums over the jet; s and t are symmetric.
template <typename S, typename T>
void add_statistics(const LayerParameters<T>& p, const JetInput<T>& jet, const PairSums<S>& pairs,
                    const JetStatistics& sums) {
  const int hidden = p.hidden;
  Buffer<S, double> a_sum(hidden), b_sum(hidden), square(hidden), cross(hidden), mixed(hidden);
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
template <typename S, typename T>
void add_norm_sums(const LayerParameters<T>& p, const JetInput<T>& jet, const PairSums<S>& pairs,
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
template <typename S, typename T>
void gradients_of_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                        const JetInput<T>& jet, const PairSums<S>& pairs, const T* receivers,
                        const T* senders, T* gradient) {
  const int hidden = p.hidden;
  const double degree = jet.n - 1;
  Buffer<S, double> a_sum(hidden), b_sum(hidden);
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
/// for the edge (i, j), in the mean with (j, i):
///   constant + of[i] + of[j] + by_s s_ij + by_t t_ij.
template <typename S>
class NormPairTerm {
 public:
  template <typename T>
  NormPairTerm(const LayerParameters<T>& p, const NormGradient<T>& norm, const JetInput<T>& jet,
               const T* column)
      : of(pair_step(jet.n)) {
    Buffer<S, double> slopes(p.hidden, Unset{});
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
      constexpr int kLanes = 8;
      double lanes[kLanes] = {};
      int c = 0;
      for (; c + kLanes <= p.hidden; c += kLanes) {
        for (int k = 0; k < kLanes; ++k) lanes[k] += slopes[c + k] * (a[c + k] + b[c + k]);
      }
      for (; c < p.hidden; ++c) lanes[0] += slopes[c] * (a[c] + b[c]);
      for (const double value : lanes) of[i] += value / 2;
    }
  }

  double constant = 0, by_s = 0, by_t = 0;
  Buffer<S, double> of;  ///< [n]
};

}  // namespace lorentznet::fused
