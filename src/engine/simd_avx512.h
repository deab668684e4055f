#pragma once

#include <immintrin.h>

#include "engine/simd.h"

namespace lorentznet::fused {

/// AVX-512 F, BW, DQ, VL: 32 registers of 16 floats.
struct Avx512 {
  using Scalar = float;
  static constexpr int kLanes = 16;
  static constexpr int kOutputs = 9;

  using Dot = Avx512;
  static constexpr int kChannels = 1;
  [[gnu::always_inline]] static __m512 multiply_add(__m512 sum, __m512 weight, __m512 x) {
    return sum + weight * x;
  }
  [[gnu::always_inline]] static __m512 relu(__m512 x) {
    return _mm512_max_ps(_mm512_setzero_ps(), x);  // the second operand where one is NaN
  }
  [[gnu::always_inline]] static __m512 permute(__m512 x, VectorOf<std::int32_t, 16>::Type at) {
    return _mm512_permutexvar_ps(reinterpret_cast<__m512i>(at), x);
  }
  [[gnu::always_inline]] static __m512 permute(__m512 x, __m512 y,
                                               VectorOf<std::int32_t, 16>::Type at) {
    return _mm512_permutex2var_ps(x, reinterpret_cast<__m512i>(at), y);
  }
  [[gnu::always_inline]] static __m512 broadcast_pair(const float* pair) {
    return _mm512_castpd_ps(_mm512_set1_pd(*reinterpret_cast<const double*>(pair)));
  }
};

}  // namespace lorentznet::fused
