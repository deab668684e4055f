#pragma once

#include <cstdint>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// Batch norm in training: statistics out of sums over the rows of a batch, and what the running
// ones become.

/// A batch norm of `channels` channels.
struct BatchNorm {
  const float *weight, *bias;              ///< [channels] gamma, beta
  float *running_mean, *running_variance;  ///< [channels]
  std::int64_t* batches;                   ///< [1] num_batches_tracked
  double epsilon, momentum;
};

/// y = z scale + shift with zhat = (z - mean) inverse_sigma.
struct NormState {
  double *mean, *inverse_sigma;  ///< [channels]
  float *scale, *shift;          ///< [channels]
};

/// A batch norm for the backward pass.
struct NormValues {
  const double *mean, *inverse_sigma;  ///< [H]
  const float *scale, *shift;          ///< [H] its output is z scale + shift
};

/// The statistics of a batch, towards which the running ones move unless the batch is one row.
/// Those of a batch without rows are the running ones.
struct NormOfBatch {
  struct Params {
    int channels;
    const double* sums;  ///< [2 channels + 1] sum z, sum z^2, number of rows
    BatchNorm norm;
    NormState to;
  };
  static constexpr int kThreads = 128, kMinBlocks = 1;

  static __device__ __forceinline__ void run(const Params& p) { run<kThreads>(p); }

  /// By a block of that many threads.
  template <int Threads>
  static __device__ __forceinline__ void run(const Params& p) {
    for (int c = static_cast<int>(threadIdx.x); c < p.channels; c += Threads) of_channel(p, c);
  }

 private:
  static __device__ __forceinline__ void of_channel(const Params& p, int c) {
    const double count = p.sums[2 * p.channels];
    double mean = p.norm.running_mean[c], variance = p.norm.running_variance[c];
    if (count > 0) {
      mean = p.sums[c] / count;
      variance = p.sums[p.channels + c] / count - mean * mean;
      if (variance < 0) variance = 0;
    }
    if (count > 1) {  // the variance of a single row is not known
      move(p.norm.running_mean[c], mean, p.norm.momentum);
      move(p.norm.running_variance[c], variance * (count / (count - 1)), p.norm.momentum);
      if (c == 0) ++*p.norm.batches;
    }
    const double inverse_sigma = 1 / sqrt(variance + p.norm.epsilon);
    const double scale = p.norm.weight[c] * inverse_sigma;
    p.to.mean[c] = mean;
    p.to.inverse_sigma[c] = inverse_sigma;
    p.to.scale[c] = static_cast<float>(scale);
    p.to.shift[c] = static_cast<float>(p.norm.bias[c] - mean * scale);
  }

  static __device__ __forceinline__ void move(float& running, double value, double momentum) {
    running = static_cast<float>((1 - momentum) * running + momentum * value);
  }
};

}  // namespace lorentznet::cuda
