#pragma once

#include <immintrin.h>

#include "engine/simd.h"

namespace lorentznet::fused {

/// AVX-512 F, BW, DQ, VL: 32 registers of 16 floats.
struct Avx512 {
  using Scalar = float;
  using V = __m512;
  using Half = __m256;
  static constexpr int kLanes = 16, kMostUnits = 12;

  [[gnu::always_inline]] static __m512 fma(__m512 x, __m512 y, __m512 sum) {
    return _mm512_fmadd_ps(x, y, sum);
  }
  [[gnu::always_inline]] static __m256 fma(__m256 x, __m256 y, __m256 sum) {
    return _mm256_fmadd_ps(x, y, sum);
  }
  [[gnu::always_inline]] static __m512 relu(__m512 x) {
    return _mm512_max_ps(_mm512_setzero_ps(), x);  // the second operand where one is NaN
  }
  [[gnu::always_inline]] static __m256 relu(__m256 x) {
    return _mm256_max_ps(_mm256_setzero_ps(), x);
  }
  [[gnu::always_inline]] static __m256 low(__m512 x) { return _mm512_castps512_ps256(x); }
  [[gnu::always_inline]] static unsigned nonzero(__m512 x) {
    return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NLE_UQ);
  }
  [[gnu::always_inline]] static unsigned nonzero(__m256 x) {
    return _mm256_cmp_ps_mask(x, _mm256_setzero_ps(), _CMP_NLE_UQ);
  }
  [[gnu::always_inline]] static __m512 where(unsigned bits, __m512 x) {
    return _mm512_maskz_mov_ps(static_cast<__mmask16>(bits), x);
  }
  [[gnu::always_inline]] static __m256 where(unsigned bits, __m256 x) {
    return _mm256_maskz_mov_ps(static_cast<__mmask8>(bits), x);
  }

  [[gnu::always_inline]] static void compress(unsigned bits, __m512 x, float* to) {
    // Not straight into memory, which takes a Zen 4 a hundred cycles.
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(bits), x));
  }
  [[gnu::always_inline]] static __m512 expand(unsigned bits, const float* from) {
    return _mm512_maskz_expand_ps(static_cast<__mmask16>(bits), _mm512_loadu_ps(from));
  }

  struct Sixteen {
    __m512 sum{};

    [[gnu::always_inline]] void add(__m512 x, __m512 y, int) { sum = fma(x, y, sum); }
    [[gnu::always_inline]] void add(__m256 x, __m256 y, int) {
      sum = _mm512_insertf32x8(sum, fma(x, y, low(sum)), 0);
    }
    [[gnu::always_inline]] float total() const { return sum_of_lanes(sum); }
  };
};

}  // namespace lorentznet::fused
