#pragma once

#include <cstddef>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// Sum of rows first to end - 1 of a channel, in their order. \param h  the channel's row 0
__device__ __forceinline__ float sum_of_jet(const float* h, int width, long first, long end) {
  float sum = 0;
#pragma unroll 8
  for (long i = first; i < end; ++i) sum += h[i * width];
  return sum;
}

/// Sum of weights[c] values[c] over H channels, by the lanes of a warp.
template <int H>
__device__ __forceinline__ float dot_of_lanes(const float* weights, const float* values, int lane) {
  float sum = 0;
  for (int c = lane; c < H; c += kWarpLanes) sum = fmaf(weights[c], values[c], sum);
#pragma unroll
  for (int distance = kWarpLanes / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  }
  return sum;
}

/// Ends a batch: the logits graph_dec(sum_i h_i / n_nodes) of each jet, in float. A block a jet, a
/// thread a channel; all sums in an order that depends on the jet alone.
template <int H>
struct Pool {
  struct Params {
    int classes;
    const int* offsets;    ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const float* n_nodes;  ///< [J] divisor of the pooled embedding
    const float* h;        ///< [P, H]
    const float* decoder;  ///< as pack_decoder() writes it
    float* logits;         ///< [J, classes]
  };
  static constexpr int kThreads = (H + kWarpLanes - 1) / kWarpLanes * kWarpLanes, kMinBlocks = 1;

  static std::size_t shared_bytes() { return 2 * (H * sizeof(float) + prim::redzone()); }

  static __device__ __forceinline__ void run(const Params& p) {
    const int jet = static_cast<int>(blockIdx.x), channel = static_cast<int>(threadIdx.x);
    const float *const in = p.decoder, *const in_bias = in + H * H;
    const float *const out = in_bias + H, *const out_bias = out + p.classes * H;
    prim::Carver carver;
    float* const pooled = carver.template take<float>(H);
    float* const decoded = carver.template take<float>(H);

    if (channel < H) {
      pooled[channel] =
          sum_of_jet(p.h + channel, H, p.offsets[jet], p.offsets[jet + 1]) / p.n_nodes[jet];
    }
    __syncthreads();
    if (channel < H) {
      float value = in_bias[channel];
#pragma unroll 8
      for (int c = 0; c < H; ++c) value = fmaf(in[c * H + channel], pooled[c], value);
      decoded[channel] = prim::relu(value);
    }
    __syncthreads();
    const int warp = channel / kWarpLanes, lane = channel % kWarpLanes;
    for (int k = warp; k < p.classes; k += kThreads / kWarpLanes) {
      const float logit = dot_of_lanes<H>(out + k * H, decoded, lane) + out_bias[k];
      if (lane == 0) p.logits[static_cast<long>(jet) * p.classes + k] = logit;
    }
  }
};

}  // namespace lorentznet::cuda
