#pragma once

#include <bit>
#include <cstdint>

// 16-bit numbers on the host, where CUDA's compiler has no type for them.

namespace lorentznet::cuda {

/// To the nearest, ties to even.
constexpr std::uint32_t bf16_bits(float x) {
  if (x != x) return 0x7fff;
  const auto all = std::bit_cast<std::uint32_t>(x);
  return (all + 0x7fff + (all >> 16 & 1)) >> 16;
}

/// To the nearest, ties to even; infinite from 65520 on.
constexpr std::uint32_t f16_bits(float x) {
  const auto all = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = all >> 16 & 0x8000, magnitude = all & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7fff;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {  // subnormal: a multiple of 2^-24, found by adding 1/2
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000);
  }
  return sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
}

constexpr float f16_value(std::uint32_t bits) {
  const std::uint32_t sign = (bits & 0x8000) << 16, magnitude = bits & 0x7fff;
  if (magnitude < 0x400) {  // subnormal: a multiple of 2^-24
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -value : value;
  }
  const std::uint32_t exponent = magnitude >= 0x7c00 ? 0x70000000 : 0x38000000;
  return std::bit_cast<float>(sign | ((magnitude << 13) + exponent));
}

}  // namespace lorentznet::cuda
