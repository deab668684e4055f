#pragma once

#include "engine/engine.h"

namespace lorentznet::fused {

// The batch norm and relu between the two Linear layers of phi_h, on rows [n, width] of nodes.

template <typename S, typename T>
void normalise(const Normalisation<T>& norm, int n, int width, const T* z, T* out) {
  for (int i = 0; i < n; ++i, z += width, out += width) {
    for (int c = 0; c < width; ++c) {
      const T y = z[c] * norm.scale[c] + norm.shift[c];
      out[c] = 0 > y ? 0 : y;
    }
  }
}

template <typename S, typename T>
void relu_backward(const NormValues& norm, int n, int width, const T* z, const T* y,
                   T* __restrict gradient, double* __restrict sums) {
  double* __restrict const with_zhat = sums + width;
  for (int i = 0; i < n; ++i, z += width, y += width, gradient += width) {
    for (int c = 0; c < width; ++c) {
      const T r = y[c] > 0 ? gradient[c] : 0;
      gradient[c] = r;
      sums[c] += r;
      with_zhat[c] += r * (z[c] - norm.mean[c]) * norm.inverse_sigma[c];
    }
  }
}

template <typename S, typename T>
void norm_backward(const NormValues& norm, const T* scale, const double* means, int n, int width,
                   const T* z, T* __restrict gradient, double* __restrict bias) {
  for (int i = 0; i < n; ++i, z += width, gradient += width) {
    for (int c = 0; c < width; ++c) {
      const double zhat = (z[c] - norm.mean[c]) * norm.inverse_sigma[c];
      gradient[c] = static_cast<T>(scale[c] * (gradient[c] - means[c] - zhat * means[width + c]));
      bias[c] += gradient[c];
    }
  }
}

template <typename S, typename T>
void add_rows(int n, int width, const T* rows, double* __restrict sums) {
  for (int i = 0; i < n; ++i, rows += width) {
    for (int c = 0; c < width; ++c) sums[c] += rows[c];
  }
}

}  // namespace lorentznet::fused
