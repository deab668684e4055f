#pragma once

#include <immintrin.h>

#include "engine/simd.h"

namespace lorentznet::fused {

/// AVX2 and FMA: 16 registers of 8 floats.
struct Avx2 {
  using Scalar = float;
  static constexpr int kLanes = 8;
  static constexpr int kOutputs = 4;

  using Dot = Avx2;
  static constexpr int kChannels = 1;
  [[gnu::always_inline]] static __m256 multiply_add(__m256 sum, __m256 weight, __m256 x) {
    return sum + weight * x;
  }
  [[gnu::always_inline]] static __m256 relu(__m256 x) {
    return _mm256_max_ps(_mm256_setzero_ps(), x);  // the second operand where one is NaN
  }
  [[gnu::always_inline]] static __m256 permute(__m256 x, VectorOf<std::int32_t, 8>::Type at) {
    return _mm256_permutevar8x32_ps(x, reinterpret_cast<__m256i>(at));
  }
  [[gnu::always_inline]] static __m256 permute(__m256 x, __m256 y,
                                               VectorOf<std::int32_t, 8>::Type at) {
    return at >= 8 ? permute(y, at - 8) : permute(x, at);
  }
  [[gnu::always_inline]] static __m256 broadcast_pair(const float* pair) {
    return _mm256_castpd_ps(_mm256_set1_pd(*reinterpret_cast<const double*>(pair)));
  }
};

}  // namespace lorentznet::fused
