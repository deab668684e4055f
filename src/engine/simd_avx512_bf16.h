#pragma once

#include "engine/simd_avx512.h"

namespace lorentznet::fused {

/// Dot products of two bfloat16, added to floats: inputs and weights hold two channels a lane.
struct Avx512Bf16Dot : Avx512 {
  static constexpr int kChannels = 2;

  [[gnu::always_inline]] static __m512 multiply_add(__m512 sum, __m512 weight, __m512 x) {
    return _mm512_dpbf16_ps(sum, (__m512bh)weight, (__m512bh)x);  // NOLINT: bits
  }
  /// Lane l: x[l] and y[l], rounded to the nearest even.
  [[gnu::always_inline]] static __m512 join(__m512 x, __m512 y) {
    const __m512i joined = (__m512i)_mm512_cvtne2ps_pbh(y, x);  // NOLINT: bits
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(interleaved(), joined));
  }

 private:
  /// 0, 16, 1, 17, ...
  [[gnu::always_inline]] static __m512i interleaved() {
    const __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i sixteen = _mm512_set1_epi32(16 << 16);
    return numbers | sixteen | (numbers << 16);
  }
};

/// AVX-512 with the edges' products of bfloat16; all else is of float.
struct Avx512Bf16 : Avx512 {
  using Dot = Avx512Bf16Dot;
};

}  // namespace lorentznet::fused
