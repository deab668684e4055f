#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "block.h"

// The number formats of mma's operands. A `Pair` is what a lane has of two neighbouring elements of
// a fragment. Each operation is one of a whole warp, or none; those of a warp know where they
// stand.

namespace lorentznet::cuda::prim {

using emu::Location;

inline float relu(float x) { return x < 0 ? 0.0f : x; }  // keeps NaN

template <typename T>
T from_lane(T value, int lane, Location here = Location::current()) {
  struct Slot {
    T value, result;
    int source;
  } slot{value, value, lane & 31};
  emu::warp_meet(&slot, here, [](void* const* lanes) {
    for (int k = 0; k < 32; ++k) {
      auto* to = static_cast<Slot*>(lanes[k]);
      to->result = static_cast<const Slot*>(lanes[to->source])->value;
    }
  });
  return slot.result;
}

/// D += A B with mma.m16n8k`K`'s fragments, in float: K / 4 pairs of A and K / 8 of B a lane.
template <class Format, int K>
void mma(float (&d)[4], const typename Format::Pair* a, const typename Format::Pair* b,
         Location here);

/// What the formats have in common, given pack, low and high.
template <class Format, class PairType>
struct Products {
  using Pair = PairType;

  static Pair pack_relu(float low, float high) { return Format::pack(relu(low), relu(high)); }
  static Pair from_lane(Pair pair, int lane, Location here = Location::current()) {
    return prim::from_lane(pair, lane, here);
  }
  /// d += A B.
  static void mma16(float (&d)[4], const Pair (&a)[4], Pair b0, Pair b1,
                    Location here = Location::current()) {
    const Pair b[2] = {b0, b1};
    mma<Format, 16>(d, a, b, here);
  }
  static void mma8(float (&d)[4], Pair a0, Pair a1, Pair b0, Location here = Location::current()) {
    const Pair a[2] = {a0, a1};
    mma<Format, 8>(d, a, &b0, here);
  }
  /// d = c + A B.
  static void mma16_from(float (&d)[4], const Pair (&a)[4], Pair b0, Pair b1, const float (&c)[4],
                         Location here = Location::current()) {
    std::copy(c, c + 4, d);
    Format::mma16(d, a, b0, b1, here);
  }
  static void mma8_from(float (&d)[4], Pair a0, Pair a1, Pair b0, const float (&c)[4],
                        Location here = Location::current()) {
    std::copy(c, c + 4, d);
    Format::mma8(d, a0, a1, b0, here);
  }
  /// A is of the format Single: without what split pairs have left.
  static void mma16_single(float (&d)[4], const Pair (&a)[4], Pair b0, Pair b1,
                           Location here = Location::current()) {
    Format::mma16(d, a, b0, b1, here);
  }
  static void mma8_single(float (&d)[4], Pair a0, Pair a1, Pair b0,
                          Location here = Location::current()) {
    Format::mma8(d, a0, a1, b0, here);
  }
  /// Of two bits: 1 for each that is set.
  static Pair indicator(unsigned bits) {
    return Format::pack(bits & 1 ? 1.0f : 0.0f, bits & 2 ? 1.0f : 0.0f);
  }
};

struct F16 : Products<F16, std::uint32_t> {
  using Single = F16;
  static constexpr bool wide_range = false;  ///< up to 65504
  static std::uint32_t bits(float x) { return std::bit_cast<std::uint16_t>(_Float16(x)); }
  static float value(std::uint32_t bits) {
    return static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(bits)));
  }
  static Pair pack(float low, float high) { return bits(low) | bits(high) << 16; }
  static float low(Pair pair) { return value(pair & 0xffff); }
  static float high(Pair pair) { return value(pair >> 16); }
  /// A number as itself, rounded, and what that lacks.
  static Pair split(float x) { return pack(x, x - low(bits(x))); }
};

struct Bf16 : Products<Bf16, std::uint32_t> {
  using Single = Bf16;
  static constexpr bool wide_range = true;  ///< float's
  /// To the nearest, ties to even.
  static std::uint32_t bits(float x) {
    if (x != x) return 0x7fff;
    const auto all = std::bit_cast<std::uint32_t>(x);
    return (all + 0x7fff + (all >> 16 & 1)) >> 16;
  }
  static Pair pack(float low, float high) { return bits(low) | bits(high) << 16; }
  static float low(Pair pair) { return std::bit_cast<float>(pair << 16); }
  static float high(Pair pair) { return std::bit_cast<float>(pair & 0xffff0000); }
  static Pair split(float x) { return pack(x, x - low(bits(x))); }
};

/// Fragments of floats, which are not rounded. Only in the emulator: it shows mistakes of layout
/// that the rounding of other formats would hide.
struct alignas(8) FloatPair {
  float low, high;
};
struct Exact : Products<Exact, FloatPair> {
  using Single = Exact;
  static constexpr bool wide_range = true;
  static Pair pack(float low, float high) { return {low, high}; }
  static float low(Pair pair) { return pair.low; }
  static float high(Pair pair) { return pair.high; }
  static Pair split(float x) { return {x, 0.0f}; }
};

/// A float as two 16-bit numbers: itself, rounded, and the rest. Three products for one; that of
/// the rests is left out.
struct alignas(8) SplitPair {
  std::uint32_t top, rest;
};
template <class Half>
struct Split : Products<Split<Half>, SplitPair> {
  using Pair = SplitPair;
  using Single = Half;
  static constexpr bool wide_range = Half::wide_range;

  static Pair pack(float low, float high) {
    const std::uint32_t top = Half::pack(low, high);
    return {top, Half::pack(low - Half::low(top), high - Half::high(top))};
  }
  static float low(Pair pair) { return Half::low(pair.top) + Half::low(pair.rest); }
  static float high(Pair pair) { return Half::high(pair.top) + Half::high(pair.rest); }
  static Pair split(float x) { return pack(x, 0.0f); }

  static void mma16(float (&d)[4], const Pair (&a)[4], Pair b0, Pair b1,
                    Location here = Location::current()) {
    const std::uint32_t top[4] = {a[0].top, a[1].top, a[2].top, a[3].top};
    const std::uint32_t rest[4] = {a[0].rest, a[1].rest, a[2].rest, a[3].rest};
    Half::mma16(d, rest, b0.top, b1.top, here);
    Half::mma16(d, top, b0.rest, b1.rest, here);
    Half::mma16(d, top, b0.top, b1.top, here);
  }
  static void mma8(float (&d)[4], Pair a0, Pair a1, Pair b0, Location here = Location::current()) {
    Half::mma8(d, a0.rest, a1.rest, b0.top, here);
    Half::mma8(d, a0.top, a1.top, b0.rest, here);
    Half::mma8(d, a0.top, a1.top, b0.top, here);
  }
  static void mma16_single(float (&d)[4], const std::uint32_t (&a)[4], Pair b0, Pair b1,
                           Location here = Location::current()) {
    Half::mma16(d, a, b0.rest, b1.rest, here);
    Half::mma16(d, a, b0.top, b1.top, here);
  }
  static void mma8_single(float (&d)[4], std::uint32_t a0, std::uint32_t a1, Pair b0,
                          Location here = Location::current()) {
    Half::mma8(d, a0, a1, b0.rest, here);
    Half::mma8(d, a0, a1, b0.top, here);
  }
};
using F16x3 = Split<F16>;
using Bf16x3 = Split<Bf16>;

/// Transposes an 8 x 8 matrix of which lane 4 g + t has row g, columns 2 t and 2 t + 1
/// (movmatrix.sync.aligned.m8n8.trans.b16; twice for split pairs).
template <class Format>
typename Format::Pair transpose8(typename Format::Pair pair, Location here = Location::current()) {
  using Pair = typename Format::Pair;
  struct Slot {
    Pair in, out;
  } slot{pair, pair};
  emu::warp_meet(&slot, here, [](void* const* lanes) {
    float matrix[8][8];
    for (int k = 0; k < 32; ++k) {
      const Pair in = static_cast<const Slot*>(lanes[k])->in;
      matrix[k / 4][2 * (k % 4)] = Format::low(in);
      matrix[k / 4][2 * (k % 4) + 1] = Format::high(in);
    }
    for (int k = 0; k < 32; ++k) {
      static_cast<Slot*>(lanes[k])->out =
          Format::pack(matrix[2 * (k % 4)][k / 4], matrix[2 * (k % 4) + 1][k / 4]);
    }
  });
  return slot.out;
}

}  // namespace lorentznet::cuda::prim
