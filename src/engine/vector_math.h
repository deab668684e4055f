#pragma once

#include <cmath>

#include "engine/simd.h"

namespace lorentznet::fused {

/// exp(x) of floats to 2 units in the last place; above 88 it stays at exp(88). Polynomial of
/// Cephes' expf on [-ln(2)/2, ln(2)/2].
template <typename S>
[[gnu::always_inline]] inline Vector<S> exp_of_floats(Vector<S> x) {
  using V = Vector<S>;
  using I = Integers<S>;
  constexpr float kLog2e = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.F;  // 1.5 * 2^23: added, it leaves the nearest integer
  const V bounded = x < -87.F ? V{} - 87.F : (x > 88.F ? V{} + 88.F : x);
  const V shifted = bounded * kLog2e + kRound;
  const V power = shifted - kRound;
  const V r = bounded - power * kLn2High - power * kLn2Low;
  V p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.F;
  const V two_to_power = (V)(((I)shifted << 23) + 0x3f800000);  // NOLINT: bits of the float
  return x == x ? p * two_to_power : x;
}

/// log(1 + y) of floats y >= 0, also infinite. Polynomial of Cephes' logf on [sqrt(1/2), sqrt(2)].
template <typename S>
[[gnu::always_inline]] inline Vector<S> log1p_of_floats(Vector<S> y) {
  using V = Vector<S>;
  using I = Integers<S>;
  const V u = y + 1.F;
  const V lost = (y - (u - 1.F)) / u;  // what the sum's rounding lost
  const I bits = (I)u;                 // NOLINT: bits of the float
  const I power = (bits - 0x3f3504f3) >> 23;
  const V f = (V)(bits - (power << 23)) - 1.F;  // NOLINT: bits of the float
  const V k = __builtin_convertvector(power, V);
  V p = f * 7.0376836292e-2F - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const V square = f * f;
  const V small = p * f * square - k * 2.12194440e-4F - square * 0.5F + lost;
  const V infinite = y > 3.402823466e38F ? y : f + small + k * 0.693359375F;
  return y == y ? infinite : y;
}

template <typename S>
[[gnu::always_inline]] inline Vector<S> sigmoid(Vector<S> x) {
  using V = Vector<S>;
  if constexpr (sizeof(typename S::Scalar) == 4) {
    return 1.F / (exp_of_floats<S>(-x) + 1.F);
  } else {
    V result{};
    for (int lane = 0; lane < S::kLanes; ++lane) result[lane] = 1 / (1 + std::exp(-x[lane]));
    return result;
  }
}

/// psi(p) = sign(p) log(1 + |p|).
template <typename S>
[[gnu::always_inline]] inline Vector<S> psi(Vector<S> p) {
  using V = Vector<S>;
  const V size = p < 0 ? -p : p;
  if constexpr (sizeof(typename S::Scalar) == 4) {
    const V value = log1p_of_floats<S>(size);
    return p < 0 ? -value : value;
  } else {
    V result{};
    for (int lane = 0; lane < S::kLanes; ++lane) {
      result[lane] = std::copysign(std::log1p(size[lane]), p[lane]);
    }
    return result;
  }
}

}  // namespace lorentznet::fused
