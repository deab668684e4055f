#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "half_bits.h"

// The number formats of mma's operands, for nvcc. A `Pair` is what a lane has of two neighbouring
// elements of a fragment. pack, low, high and split work on the host too, which packs weights.

namespace lorentznet::cuda::prim {

__device__ __forceinline__ float relu(float x) {  // keeps NaN
  float y;
  asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
  return y;
}

struct F16 {
  using Pair = std::uint32_t;
  using Single = F16;
  static constexpr bool wide_range = false;  ///< up to 65504

  static constexpr std::uint32_t kOne = f16_bits(1.0f);
  static constexpr std::uint32_t bits(float x) { return f16_bits(x); }
  static __host__ __device__ __forceinline__ float low(Pair pair) {
#if defined(__CUDA_ARCH__)
    float x;
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, l;}" : "=f"(x) : "r"(pair));
    return x;
#else
    return f16_value(pair & 0xffff);
#endif
  }
  static __host__ __device__ __forceinline__ float high(Pair pair) {
#if defined(__CUDA_ARCH__)
    float x;
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %1; cvt.f32.f16 %0, h;}" : "=f"(x) : "r"(pair));
    return x;
#else
    return f16_value(pair >> 16);
#endif
  }
#define LORENTZNET_FORMAT "f16"
#include "half_products.inc"
#undef LORENTZNET_FORMAT
};

struct Bf16 {
  using Pair = std::uint32_t;
  using Single = Bf16;
  static constexpr bool wide_range = true;  ///< float's

  static constexpr std::uint32_t kOne = bf16_bits(1.0f);
  static constexpr std::uint32_t bits(float x) { return bf16_bits(x); }
  static __host__ __device__ __forceinline__ float low(Pair pair) { return value(pair << 16); }
  static __host__ __device__ __forceinline__ float high(Pair pair) {
    return value(pair & 0xffff0000);
  }
#define LORENTZNET_FORMAT "bf16"
#include "half_products.inc"
#undef LORENTZNET_FORMAT

 private:
  static __host__ __device__ __forceinline__ float value(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
    return __uint_as_float(bits);
#else
    return std::bit_cast<float>(bits);
#endif
  }
};

/// A float as two 16-bit numbers: itself, rounded, and the rest. Three products for one; that of
/// the rests is left out.
struct alignas(8) SplitPair {
  std::uint32_t top, rest;
};
template <class Half>
struct Split {
  using Pair = SplitPair;
  using Single = Half;
  static constexpr bool wide_range = Half::wide_range;

  static __host__ __device__ __forceinline__ Pair pack(float low, float high) {
    const std::uint32_t top = Half::pack(low, high);
    return {top, Half::pack(low - Half::low(top), high - Half::high(top))};
  }
  static __device__ __forceinline__ Pair pack_relu(float low, float high) {
    return pack(relu(low), relu(high));
  }
  static __host__ __device__ __forceinline__ float low(Pair pair) {
    return Half::low(pair.top) + Half::low(pair.rest);
  }
  static __host__ __device__ __forceinline__ float high(Pair pair) {
    return Half::high(pair.top) + Half::high(pair.rest);
  }
  static __host__ __device__ __forceinline__ Pair split(float x) { return pack(x, 0.0f); }
  static __device__ __forceinline__ Pair from_lane(Pair pair, int lane) {
    return {Half::from_lane(pair.top, lane), Half::from_lane(pair.rest, lane)};
  }

  static __device__ __forceinline__ void mma16(float (&d)[4], const Pair (&a)[4], Pair b0,
                                               Pair b1) {
    mma16_from(d, a, b0, b1, d);
  }
  static __device__ __forceinline__ void mma8(float (&d)[4], Pair a0, Pair a1, Pair b0) {
    mma8_from(d, a0, a1, b0, d);
  }
  static __device__ __forceinline__ void mma16_from(float (&d)[4], const Pair (&a)[4], Pair b0,
                                                    Pair b1, const float (&c)[4]) {
    const std::uint32_t top[4] = {a[0].top, a[1].top, a[2].top, a[3].top};
    const std::uint32_t rest[4] = {a[0].rest, a[1].rest, a[2].rest, a[3].rest};
    Half::mma16_from(d, rest, b0.top, b1.top, c);
    Half::mma16(d, top, b0.rest, b1.rest);
    Half::mma16(d, top, b0.top, b1.top);
  }
  static __device__ __forceinline__ void mma8_from(float (&d)[4], Pair a0, Pair a1, Pair b0,
                                                   const float (&c)[4]) {
    Half::mma8_from(d, a0.rest, a1.rest, b0.top, c);
    Half::mma8(d, a0.top, a1.top, b0.rest);
    Half::mma8(d, a0.top, a1.top, b0.top);
  }
  static __device__ __forceinline__ void mma16_single(float (&d)[4], const std::uint32_t (&a)[4],
                                                      Pair b0, Pair b1) {
    Half::mma16(d, a, b0.rest, b1.rest);
    Half::mma16(d, a, b0.top, b1.top);
  }
  static __device__ __forceinline__ void mma8_single(float (&d)[4], std::uint32_t a0,
                                                     std::uint32_t a1, Pair b0) {
    Half::mma8(d, a0, a1, b0.rest);
    Half::mma8(d, a0, a1, b0.top);
  }
};
using F16x3 = Split<F16>;
using Bf16x3 = Split<Bf16>;

/// Transposes an 8 x 8 matrix of which lane 4 g + t has row g, columns 2 t and 2 t + 1.
template <class Format>
__device__ __forceinline__ std::uint32_t transpose8(std::uint32_t pair) {
  std::uint32_t result;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(pair));
  return result;
}
template <class Format>
__device__ __forceinline__ SplitPair transpose8(SplitPair pair) {
  return {transpose8<Format>(pair.top), transpose8<Format>(pair.rest)};
}

}  // namespace lorentznet::cuda::prim
