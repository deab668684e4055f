#pragma once

#include <cstdint>

#include "engine/cuda/pool.h"

namespace lorentznet::cuda {

// What follows pooling and the decoder (Pool) in training: the loss, and the way back.

/// The loss of a batch, the mean over its jets of weight * cross-entropy, and what is counted. One
/// block.
struct ScoreJets {
  struct Params {
    int jets, classes;
    const float* logits;        ///< [J, classes]
    const std::int64_t* label;  ///< [J] from 0 to classes - 1
    const double* weight;       ///< [J]; null: 1 each
    /// [3] loss, sum of the weights of the jets whose largest logit is that of their label, sum of
    /// all weights; without weights [2], the jets for which it is
    double* figures;
    float* loss;      ///< [1] the same
    float* spoiled;   ///< [1] 1 if `loss` is not finite, and then figures[0] is not, else 0
    float* gradient;  ///< [J, classes] dL/dlogits
  };
  static constexpr int kThreads = 512, kMinBlocks = 1;
  static std::size_t shared_bytes() { return 3 * kThreads * sizeof(double) + 16 + prim::redzone(); }

  static __device__ __forceinline__ void run(const Params& p) {
    prim::Carver carver;
    auto* const shared = carver.template take<double>(3 * kThreads);
    const int thread = static_cast<int>(threadIdx.x);
    Sums sums{};
    for (int jet = thread; jet < p.jets; jet += kThreads) add_jet(p, jet, sums);
    for (int k = 0; k < 3; ++k) shared[k * kThreads + thread] = sums.of[k];
    for (int half = kThreads / 2; half > 0; half /= 2) {
      __syncthreads();
      if (thread >= half) continue;
      for (int k = 0; k < 3; ++k) {
        shared[k * kThreads + thread] += shared[k * kThreads + thread + half];
      }
    }
    if (thread != 0) return;
    write(p, shared[0] / p.jets, shared[kThreads], shared[2 * kThreads]);
  }

 private:
  /// weight * cross-entropy, weight if the largest logit is that of the label, weight
  struct Sums {
    double of[3];
  };

  static __device__ __forceinline__ void write(const Params& p, double loss, double right,
                                               double weight) {
    const auto as_float = static_cast<float>(loss);
    const bool finite = as_float - as_float == 0;
    p.figures[0] = finite ? loss : as_float;  // whoever reads the figures stops, too
    p.figures[1] = right;
    if (p.weight) p.figures[2] = weight;
    *p.loss = as_float;
    *p.spoiled = finite ? 0.0F : 1.0F;
  }

  static __device__ __forceinline__ void add_jet(const Params& p, int jet, Sums& sums) {
    const float* const logits = p.logits + static_cast<long>(jet) * p.classes;
    const auto label = static_cast<int>(p.label[jet]);
    const double weight = p.weight ? p.weight[jet] : 1;
    int best = 0;  // the first of the largest ones, and NaN if there is one
    for (int k = 1; k < p.classes; ++k) {
      const bool best_is_nan = logits[best] != logits[best];
      if (!best_is_nan && !(logits[k] <= logits[best])) best = k;
    }
    const double most = logits[best];
    double sum = 0;
    for (int k = 0; k < p.classes; ++k) sum += exp(logits[k] - most);
    sums.of[0] += weight * (log(sum) + most - logits[label]);
    sums.of[1] += best == label ? weight : 0;
    sums.of[2] += weight;
    float* const gradient = p.gradient + static_cast<long>(jet) * p.classes;
    for (int k = 0; k < p.classes; ++k) {
      const double probability = exp(logits[k] - most) / sum;
      gradient[k] = static_cast<float>(weight / p.jets * (probability - (k == label ? 1 : 0)));
    }
  }
};

/// dL/dh of the last layer, out of dL/dlogits, and what the gradients of the decoder's parameters
/// are sums of. A block a jet; one more block for the ghost, which is in no jet, if there is one.
template <int H>
struct DecodeBackward {
  struct Params {
    int jets, classes;
    const int* offsets;      ///< [J + 1]
    const double* n_nodes;   ///< [J]
    const float* gradient;   ///< [J, classes] dL/dlogits
    const float *in, *out;   ///< [H, H], [classes, H]
    DecodedJets of_jets;     ///< of Pool
    float* hidden_gradient;  ///< [J, H] dL/d(output of `in`)
    /// [J, (classes + 1) H + classes] of each jet the gradients of out [classes, H], of its bias
    /// [classes] and of in's bias [H]
    float* partial;
    float* h;  ///< [P, H] dL/dh, with the ghost's row, if there is one
  };
  static constexpr int kThreads = (H + kWarpLanes - 1) / kWarpLanes * kWarpLanes, kMinBlocks = 1;
  static unsigned blocks(int jets, bool ghost) { return static_cast<unsigned>(jets + ghost); }
  static std::size_t shared_bytes() { return H * sizeof(float) + prim::redzone(); }
  static constexpr int columns(int classes) { return (classes + 1) * H + classes; }

  static __device__ __forceinline__ void run(const Params& p) {
    const int jet = static_cast<int>(blockIdx.x), channel = static_cast<int>(threadIdx.x);
    const int first = p.offsets[jet];
    if (jet == p.jets) {
      if (channel < H) p.h[static_cast<long>(first) * H + channel] = 0;
      return;
    }
    prim::Carver carver;
    float* const of_hidden = carver.template take<float>(H);
    if (channel < H) of_hidden[channel] = decode(p, jet, channel);
    __syncthreads();
    if (channel >= H) return;
    float of_pooled = 0;
#pragma unroll 8
    for (int c = 0; c < H; ++c) of_pooled = fmaf(p.in[c * H + channel], of_hidden[c], of_pooled);
    const float each = of_pooled / static_cast<float>(p.n_nodes[jet]);
    for (long i = first; i < p.offsets[jet + 1]; ++i) p.h[i * H + channel] = each;
  }

 private:
  /// \return dL/d(output of `in`) of a channel
  static __device__ __forceinline__ float decode(const Params& p, int jet, int channel) {
    const long at = static_cast<long>(jet) * H + channel;
    const float* const gradient = p.gradient + static_cast<long>(jet) * p.classes;
    float* const partial = p.partial + static_cast<long>(jet) * columns(p.classes);
    const float hidden = p.of_jets.hidden[at];
    float sum = 0;
    for (int k = 0; k < p.classes; ++k) {
      sum = fmaf(gradient[k], p.out[k * H + channel], sum);
      partial[k * H + channel] = gradient[k] * hidden;
      if (channel == 0) partial[p.classes * H + k] = gradient[k];
    }
    // What relu or dropout has made 0 has no gradient.
    const float of_hidden = hidden <= 0 ? 0.0F : sum * p.of_jets.scale;
    partial[p.classes * (H + 1) + channel] = of_hidden;
    p.hidden_gradient[at] = of_hidden;
    return of_hidden;
  }
};

}  // namespace lorentznet::cuda
