#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/simd.h"

extern "C" float fmaf(float, float, float) noexcept;

namespace lorentznet::fused {

/// What every processor has, with four lanes of float or double.
template <typename T>
struct Portable {
  using Scalar = T;
  using V = typename VectorOf<T, 4>::Type;
  using Half = V;  // not used
  using Sixteen = SixteenInParts<Portable>;
  static constexpr int kLanes = 4, kMostUnits = 2;

  [[gnu::always_inline]] static V fma(V x, V y, V sum) {
    if constexpr (sizeof(T) == 8) {
      return x * y + sum;  // on this set alone: no bits to be the same as
    } else {
      return fma_of_floats(x, y, sum);
    }
  }
  [[gnu::always_inline]] static V relu(V x) { return V{} > x ? V{} : x; }
  [[gnu::always_inline]] static V low(V x) { return x; }
  [[gnu::always_inline]] static unsigned nonzero(V x) {
    unsigned bits = 0;
    for (int lane = 0; lane < kLanes; ++lane) bits |= (x[lane] <= 0 ? 0U : 1U) << lane;
    return bits;
  }
  [[gnu::always_inline]] static V where(unsigned bits, V x) {
    V kept{};
    for (int lane = 0; lane < kLanes; ++lane) kept[lane] = (bits >> lane & 1U) != 0 ? x[lane] : 0;
    return kept;
  }
  [[gnu::always_inline]] static void compress(unsigned bits, V x, T* to) {
    for (int lane = 0; lane < kLanes; ++lane) {
      if ((bits >> lane & 1U) != 0) *to++ = x[lane];
    }
  }
  [[gnu::always_inline]] static V expand(unsigned bits, const T* from) {
    V x{};
    for (int lane = 0; lane < kLanes; ++lane) {
      if ((bits >> lane & 1U) != 0) x[lane] = *from++;
    }
    return x;
  }

 private:
#if defined(__FP_FAST_FMAF) || !defined(__SSE2__)
  [[gnu::always_inline]] static V fma_of_floats(V x, V y, V sum) {
    for (int lane = 0; lane < kLanes; ++lane) sum[lane] = fmaf(x[lane], y[lane], sum[lane]);
    return sum;
  }
#else
  /// In double the product is exact; the sum, rounded there and once more to float, is the one that
  /// is rounded once unless it lies in the middle of two floats. Then, and below the normal floats,
  /// libm computes it.
  [[gnu::always_inline]] static __m128 fma_of_floats(__m128 x, __m128 y, __m128 sum) {
    const auto wide = [](__m128 a, __m128 b, __m128 c) __attribute__((always_inline)) {
      return _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c));
    };
    const auto upper = [](__m128 a) __attribute__((always_inline)) { return _mm_movehl_ps(a, a); };
    const __m128d first = wide(x, y, sum), second = wide(upper(x), upper(y), upper(sum));
    const __m128 a = _mm_castpd_ps(first), b = _mm_castpd_ps(second);
    const __m128i low = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
    const __m128i high =
        _mm_and_si128(_mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))),
                      _mm_set1_epi32(0x7fffffff));
    const __m128i middle =
        _mm_cmpeq_epi32(_mm_and_si128(low, _mm_set1_epi32(0x1fffffff)), _mm_set1_epi32(0x10000000));
    constexpr int kLeastNormal = 0x38100000;  // of 2^-126
    const __m128i small = _mm_andnot_si128(_mm_cmpeq_epi32(high, _mm_setzero_si128()),
                                           _mm_cmplt_epi32(high, _mm_set1_epi32(kLeastNormal)));
    if (__builtin_expect(_mm_movemask_epi8(_mm_or_si128(middle, small)) != 0, 0)) {
      return rare_fma(x, y, sum);
    }
    return _mm_movelh_ps(_mm_cvtpd_ps(first), _mm_cvtpd_ps(second));
  }
  [[gnu::noinline, gnu::cold]] static __m128 rare_fma(__m128 x, __m128 y, __m128 sum) {
    for (int lane = 0; lane < 4; ++lane) sum[lane] = fmaf(x[lane], y[lane], sum[lane]);
    return sum;
  }
#endif
};

}  // namespace lorentznet::fused
