// Vectors of one instruction set. The fused kernel is a template on one of the types Avx512, Avx2
// and Portable<T>, compiled for each in a translation unit of its own with that set's compiler
// flags. Nothing in this folder may use inline functions of other headers: the linker would keep
// one copy of each, perhaps the one with instructions that the processor lacks.
//
// Such a type has
//   Scalar, kLanes       type of the elements, elements of a vector: 16, 8 or 4
//   kMostUnits           outputs of a product that the registers hold, in units of 8; even
//   V, Half              the vector, and one of 8 elements
//   fma(x, y, sum)       x y + sum, rounded once; of floats: the same bits on all sets
//   relu(x)              max(0, x); NaN stays NaN
//   low(x)               the first 8 elements
//   nonzero(x)           bits of the elements for which x <= 0 is false: also NaN
//   where(bits, x)       x in the elements of these bits, else 0
//   compress(bits, x, p) writes the elements of these bits to p[0], p[1], ..., and anything after
//                        them, up to p[kLanes - 1]
//   expand(bits, p)      the reverse, other elements 0; reads p[0] ... p[kLanes - 1]
//   Sixteen              sums over channels c by c mod 16
//
// All else is the arithmetic of the compiler's own vector types, without contraction: every set
// computes the same bits.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace lorentznet::fused {

/// Channels of the narrowest vector.
inline constexpr int kUnit = 8;
/// Rows are padded to a multiple of this, and aligned to a cache line.
inline constexpr int kRowStep = 16;

template <typename T, int N>
struct VectorOf {
  typedef T Type __attribute__((vector_size(N * sizeof(T))));  // NOLINT: no other spelling
};

template <typename S>
using Vector = typename S::V;
/// Integers as wide as the scalars; what comparisons give is 0 or -1.
template <typename S>
using Integer = std::conditional_t<sizeof(typename S::Scalar) == 4, std::int32_t, std::int64_t>;
template <typename S>
using Integers = typename VectorOf<Integer<S>, S::kLanes>::Type;
/// Coordinates are in double, in vectors of kPairs.
template <typename S>
inline constexpr int kPairs = S::kLanes == 16 ? 8 : 4;
template <typename S>
using Doubles = typename VectorOf<double, kPairs<S>>::Type;
template <typename S>
using OfPairs = typename VectorOf<typename S::Scalar, kPairs<S>>::Type;

/// Elements of a padded row.
[[gnu::always_inline]] constexpr int padded(int width) {
  return (width + kRowStep - 1) / kRowStep * kRowStep;
}
/// Words of a row's mask.
inline constexpr int kWord = 64;
[[gnu::always_inline]] constexpr int words_of(int width) { return (width + kWord - 1) / kWord; }

/// \param from  aligned as the vector is
template <typename V, typename T>
[[gnu::always_inline]] inline V load(const T* from) {
  typedef V Alias __attribute__((may_alias));  // NOLINT: no other spelling
  return *reinterpret_cast<const Alias*>(from);
}

template <typename V, typename T>
[[gnu::always_inline]] inline void store(T* to, V value) {
  typedef V Alias __attribute__((may_alias));  // NOLINT: no other spelling
  *reinterpret_cast<Alias*>(to) = value;
}

template <typename V, typename T>
[[gnu::always_inline]] inline V broadcast(T value) {
  return value - V{};  // x - 0 is x, for -0 too
}

/// The first elements of x, as many as V has.
template <typename V, typename W>
[[gnu::always_inline]] inline V as(W x) {
  if constexpr (sizeof(V) == sizeof(W)) {
    return x;
  } else {
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
  }
}

/// Calls f(std::integral_constant<int, 0>{}), ..., f(std::integral_constant<int, N - 1>{}).
template <int N, typename F>
[[gnu::always_inline]] inline void unroll(F f) {
  [&]<int... k>(std::integer_sequence<int, k...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, k>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// The sum of the elements: halves are added until one is left.
template <typename V>
[[gnu::always_inline]] inline auto sum_of_lanes(V x) {
  constexpr int N = sizeof(V) / sizeof(x[0]);
  if constexpr (N == 1) {
    return x[0];
  } else {
    using Lower = typename VectorOf<std::remove_cvref_t<decltype(x[0])>, N / 2>::Type;
    return [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
      const Lower low = __builtin_shufflevector(x, x, l...);
      const Lower high = __builtin_shufflevector(x, x, (l + N / 2)...);
      return sum_of_lanes(low + high);
    }
    (std::make_integer_sequence<int, N / 2>{});
  }
}

/// Sixteen of the sets whose vectors have fewer elements.
template <typename S>
struct SixteenInParts {
  static constexpr int N = S::kLanes;
  typename S::V sums[kRowStep / N] = {};

  /// Adds x y of the channels from `at` on.
  [[gnu::always_inline]] void add(typename S::V x, typename S::V y, int at) {
    auto& sum = sums[at % kRowStep / N];
    sum = S::fma(x, y, sum);
  }
  [[gnu::always_inline]] typename S::Scalar total() const {
    if constexpr (N == 8) {
      return sum_of_lanes(sums[0] + sums[1]);
    } else {
      return sum_of_lanes((sums[0] + sums[2]) + (sums[1] + sums[3]));
    }
  }
};

/// Sums of doubles over a row of pairs: over senders j by j mod 8.
template <typename S>
struct EightSums {
  Doubles<S> sums[8 / kPairs<S>] = {};

  /// Adds the terms of the senders from `first` on.
  [[gnu::always_inline]] void add(Doubles<S> terms, int first) {
    sums[static_cast<unsigned>(first) % 8 / kPairs<S>] += terms;
  }
  [[gnu::always_inline]] double total() const {
    if constexpr (kPairs<S> == 8) {
      return sum_of_lanes(sums[0]);
    } else {
      return sum_of_lanes(sums[0] + sums[1]);
    }
  }
};

}  // namespace lorentznet::fused
