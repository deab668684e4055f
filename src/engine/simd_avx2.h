#pragma once

#include <immintrin.h>

#include "engine/simd.h"

namespace lorentznet::fused {

/// For each eight bits: where the elements come from that Avx2 compresses or expands.
struct Avx2Places {
  unsigned char compress[256][8] = {}, expand[256][8] = {};

  constexpr Avx2Places() {
    for (int bits = 0; bits < 256; ++bits) {
      unsigned char count = 0;
      for (unsigned char lane = 0; lane < 8; ++lane) {
        expand[bits][lane] = count;
        if ((bits >> lane & 1) != 0) compress[bits][count++] = lane;
      }
    }
  }
};
inline constexpr Avx2Places kAvx2Places{};

/// AVX2 and FMA: 16 registers of 8 floats.
struct Avx2 {
  using Scalar = float;
  using V = __m256;
  using Half = __m256;
  using Sixteen = SixteenInParts<Avx2>;
  static constexpr int kLanes = 8, kMostUnits = 12;

  [[gnu::always_inline]] static __m256 fma(__m256 x, __m256 y, __m256 sum) {
    return _mm256_fmadd_ps(x, y, sum);
  }
  [[gnu::always_inline]] static __m256 relu(__m256 x) {
    return _mm256_max_ps(_mm256_setzero_ps(), x);  // the second operand where one is NaN
  }
  [[gnu::always_inline]] static __m256 low(__m256 x) { return x; }
  [[gnu::always_inline]] static unsigned nonzero(__m256 x) {
    const __m256 kept = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NLE_UQ);
    return static_cast<unsigned>(_mm256_movemask_ps(kept));
  }
  [[gnu::always_inline]] static __m256 where(unsigned bits, __m256 x) {
    const __m256i one = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i mine = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), one);
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(mine, one)), x);
  }
  [[gnu::always_inline]] static void compress(unsigned bits, __m256 x, float* to) {
    _mm256_storeu_ps(to, _mm256_permutevar8x32_ps(x, indices(kAvx2Places.compress[bits])));
  }
  [[gnu::always_inline]] static __m256 expand(unsigned bits, const float* from) {
    const __m256i at = indices(kAvx2Places.expand[bits]);
    return where(bits, _mm256_permutevar8x32_ps(_mm256_loadu_ps(from), at));
  }

 private:
  [[gnu::always_inline]] static __m256i indices(const unsigned char* lanes) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(lanes)));
  }
};

}  // namespace lorentznet::fused
