#pragma once

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// What the edge part's passes in training share.

/// A layer's batch norm z_norm = scale (a_i + b_j + u s_ij + v t_ij) + shift.
struct EdgeNorm {
  const float *scale, *shift;  ///< [H]
  const float *u, *v;          ///< channel c at c uv_step: columns of phi_e.0's weights
  int uv_step;
};

/// What the forward pass keeps of each pair, for the backward pass. A jet of n nodes has n^2
/// places, its diagonal among them, which is not written: the pair of receiver i and sender j
/// stands at first_pair + (j - first) n + (i - first), `first` being the jet's first node.
struct KeptPairs {
  const int* first_pair;  ///< [P] of the node's jet: the sum of n^2 of those before
  float* phi;             ///< [pairs] phi_x(m_ij)
  /// [pairs, 4] word t: of channel at(n, t, q) of phi_x.0's output, bit 2 n + q tells whether it is
  /// above 0
  unsigned* signs;
};

/// \param offsets  [J+1] jet j has the nodes offsets[j] .. offsets[j+1] - 1
/// \return [P + 1] first_pair, and the number of places
/// \throws std::runtime_error if that is more than 2^31 - 1
inline std::vector<int> first_pairs(const std::vector<int>& offsets) {
  std::vector<int> first;
  long pairs = 0;
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    const long n = offsets[jet + 1] - offsets[jet];
    first.insert(first.end(), static_cast<std::size_t>(n), static_cast<int>(pairs));
    pairs += n * n;
    if (pairs > std::numeric_limits<int>::max()) {
      throw std::runtime_error("a batch has more than 2147483647 pairs of nodes");
    }
  }
  first.push_back(static_cast<int>(pairs));
  return first;
}

/// Whether relu's gradient passes: NaN does.
__device__ __forceinline__ unsigned passes(float x) { return x <= 0.0F ? 0U : 1U; }

/// A lane's register of u and v for column tile n, in units of ln 2 like psi: t = 0 and 1 of a quad
/// multiply s and t with their numbers, 2 and 3 with what is left of them.
/// \param u, v  channel c at c step
template <typename Op, int H>
__host__ __device__ inline typename Op::Pair pair_term(const float* u, const float* v, long step,
                                                       const float* scale, int n, int lane) {
  const int t = lane % 4, c = Channels<H>::of_column(n, lane / 4);
  // With sanitizers GCC 12 takes a wrong element of (t % 2 == 0 ? u : v)[...].
  const float* const from = t % 2 == 0 ? u : v;
  const double value = from[c * step];
  const auto scaled =
      static_cast<float>(value * (scale != nullptr ? static_cast<double>(scale[c]) : 1.) * kLn2);
  const auto both = Op::split(scaled);
  const float part = t >= 2 ? Op::high(both) : Op::low(both);
  return Op::pack(part, part);  // of the two parts of s or t
}

/// The block's threads write them all, [tiles, 32].
template <typename Op, int H>
__device__ __forceinline__ void pair_terms_of(const EdgeNorm& norm, int threads,
                                              typename Op::Pair* to) {
  for (int k = static_cast<int>(threadIdx.x); k < Channels<H>::kTiles * kWarpLanes; k += threads) {
    to[k] =
        pair_term<Op, H>(norm.u, norm.v, norm.uv_step, norm.scale, k / kWarpLanes, k % kWarpLanes);
  }
}

}  // namespace lorentznet::cuda
