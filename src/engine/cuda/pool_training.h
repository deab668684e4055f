#pragma once

#include "engine/cuda/pool.h"

namespace lorentznet::cuda {

// Pooling in training. What follows it, which is small and has dropout, is the caller's.

/// The mean embeddings sum_i h_i / n_nodes of jets. A block a jet, a thread a channel; sums as
/// Pool's.
template <int H>
struct PoolForward {
  struct Params {
    const int* offsets;    ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const float* n_nodes;  ///< [J] divisor of the pooled embedding
    const float* h;        ///< [P, H]
    float* pooled;         ///< [J, H]
  };
  static constexpr int kThreads = (H + kWarpLanes - 1) / kWarpLanes * kWarpLanes, kMinBlocks = 1;

  static __device__ __forceinline__ void run(const Params& p) {
    const int jet = static_cast<int>(blockIdx.x), channel = static_cast<int>(threadIdx.x);
    if (channel >= H) return;
    const float sum = sum_of_jet(p.h + channel, H, p.offsets[jet], p.offsets[jet + 1]);
    p.pooled[static_cast<long>(jet) * H + channel] = sum / p.n_nodes[jet];
  }
};

/// dL/dh of the last layer, out of dL/d(pooled embeddings). A block a jet; one more block for the
/// ghost, which is in no jet, if there is one.
template <int H>
struct PoolBackward {
  struct Params {
    int jets;
    const int* offsets;     ///< [J + 1]
    const float* n_nodes;   ///< [J]
    const float* gradient;  ///< [J, H] dL/d(pooled)
    float* h;               ///< [P, H] dL/dh, with the ghost's row, if there is one
  };
  static constexpr int kThreads = 128, kMinBlocks = 1;
  static unsigned blocks(int jets, bool ghost) { return static_cast<unsigned>(jets + ghost); }

  static __device__ __forceinline__ void run(const Params& p) {
    const int jet = static_cast<int>(blockIdx.x);
    const long first = p.offsets[jet], end = jet < p.jets ? p.offsets[jet + 1] : first + 1;
    const float* const from = p.gradient + static_cast<long>(jet) * H;
    for (long k = first * H + threadIdx.x; k < end * H; k += kThreads) {
      p.h[k] = jet < p.jets ? from[k % H] / p.n_nodes[jet] : 0.0F;
    }
  }
};

}  // namespace lorentznet::cuda
