#pragma once

#include <cstddef>
#include <type_traits>

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

/// The decoder graph_dec.
struct DecoderWeights {
  int classes;
  const float *in, *in_bias;    ///< [H, H] transposed, [H]
  const float *out, *out_bias;  ///< [classes, H], [classes]
};
/// \param packed  as pack_decoder() writes it
template <int H>
DecoderWeights decoder_weights(const float* packed, int classes) {
  const float *const in_bias = packed + H * H, *const out = in_bias + H;
  return {classes, packed, in_bias, out, out + static_cast<long>(classes) * H};
}

/// What a training keeps of all jets of a batch.
struct DecodedJets {
  const float* kept;  ///< [J, H] 1, and 0 for what dropout leaves out; null: all are kept
  float scale;        ///< of what it keeps
  float* pooled;      ///< [J, H] the mean embeddings sum_i h_i / n_nodes
  float* hidden;      ///< [J, H] after relu and dropout
};

/// Ends a batch: the logits graph_dec(sum_i h_i / n_nodes) of each jet, in float. A block a jet, a
/// thread a channel; all sums in an order that depends on the jet alone.
template <int H, bool kTrains>
struct Pool {
  using Count = std::conditional_t<kTrains, double, float>;
  struct Params {
    DecoderWeights decoder;
    const int* offsets;    ///< [J + 1] jet k has the nodes offsets[k] to offsets[k + 1] - 1
    const Count* n_nodes;  ///< [J] divisor of the pooled embedding
    const float* h;        ///< [P, H]
    float* logits;         ///< [J, classes]
    DecodedJets jets;      ///< of a training
  };
  static constexpr int kThreads = (H + kWarpLanes - 1) / kWarpLanes * kWarpLanes, kMinBlocks = 1;

  static std::size_t shared_bytes() { return 2 * (H * sizeof(float) + prim::redzone()); }

  static __device__ __forceinline__ void run(const Params& p) {
    const int jet = static_cast<int>(blockIdx.x), channel = static_cast<int>(threadIdx.x);
    const DecoderWeights& decoder = p.decoder;
    prim::Carver carver;
    float* const pooled = carver.template take<float>(H);
    float* const hidden = carver.template take<float>(H);
    if (channel < H) pooled[channel] = pool(p, jet, channel);
    __syncthreads();
    if (channel < H) hidden[channel] = hide(p, jet, channel, pooled);
    __syncthreads();
    const int warp = channel / kWarpLanes, lane = channel % kWarpLanes;
    for (int k = warp; k < decoder.classes; k += kThreads / kWarpLanes) {
      const float logit = dot_of_lanes<H>(decoder.out + k * H, hidden, lane) + decoder.out_bias[k];
      if (lane == 0) p.logits[static_cast<long>(jet) * decoder.classes + k] = logit;
    }
  }

 private:
  static __device__ __forceinline__ float pool(const Params& p, int jet, int channel) {
    const float sum = sum_of_jet(p.h + channel, H, p.offsets[jet], p.offsets[jet + 1]);
    const float pooled = sum / static_cast<float>(p.n_nodes[jet]);
    if constexpr (kTrains) p.jets.pooled[static_cast<long>(jet) * H + channel] = pooled;
    return pooled;
  }
  static __device__ __forceinline__ float hide(const Params& p, int jet, int channel,
                                               const float* pooled) {
    float value = p.decoder.in_bias[channel];
#pragma unroll 8
    for (int c = 0; c < H; ++c) value = fmaf(p.decoder.in[c * H + channel], pooled[c], value);
    value = prim::relu(value);
    if constexpr (kTrains) {
      const long at = static_cast<long>(jet) * H + channel;
      value *= p.jets.scale;
      if (p.jets.kept) value *= p.jets.kept[at];
      p.jets.hidden[at] = value;
    }
    return value;
  }
};

}  // namespace lorentznet::cuda
