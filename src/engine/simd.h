// Vectors of one instruction set. The fused kernel is a template on one of the types Avx512, Avx2
// and Portable<T>, compiled for each in a translation unit of its own with that set's compiler
// flags. Nothing in this folder may use inline functions of other headers: the linker would keep
// one copy of each, perhaps the one with instructions that the processor lacks.
//
// Such a type has
//   Scalar, kLanes          type of the elements, elements a vector
//   kOutputs                outputs of a product that fit the registers beside kEdgeVectors inputs
//   relu(x)                 max(0, x); NaN stays NaN
//   permute(x, at)          lane l: x[at[l]]
//   permute(x, y, at)       lane l: element at[l] of x followed by y
//   broadcast_pair(p)       p[0], p[1], p[0], p[1], ...
//   multiply_add(s, w, x)   what a product sums up, of kChannels channels a lane: s + w x
//   Dot                     the type of the products over edges and of phi_h: itself, but for
//                           bfloat16
// All else is the arithmetic of the compiler's own vector types.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace lorentznet::fused {

/// Vectors of edges that a product works on at once.
inline constexpr int kEdgeVectors = 3;

template <typename T, int N>
struct VectorOf {
  typedef T Type __attribute__((vector_size(N * sizeof(T))));  // NOLINT: no other spelling
};

template <typename Simd>
using Vector = typename VectorOf<typename Simd::Scalar, Simd::kLanes>::Type;
/// Integers as wide as the scalars; what comparisons give is 0 or -1.
template <typename Simd>
using Integer = std::conditional_t<sizeof(typename Simd::Scalar) == 4, std::int32_t, std::int64_t>;
template <typename Simd>
using Integers = typename VectorOf<Integer<Simd>, Simd::kLanes>::Type;
/// Doubles, for coordinates, in vectors of kHalf.
template <typename Simd>
inline constexpr int kHalf = Simd::kLanes / 2;
template <typename Simd>
using Doubles = typename VectorOf<double, kHalf<Simd>>::Type;
template <typename Simd>
using HalfVector = typename VectorOf<typename Simd::Scalar, kHalf<Simd>>::Type;

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

/// Calls f(std::integral_constant<int, 0>{}), ..., f(std::integral_constant<int, N - 1>{}).
template <int N, typename F>
[[gnu::always_inline]] inline void unroll(F f) {
  [&]<int... k>(std::integer_sequence<int, k...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, k>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// 0, 1, 2, ...
template <typename Simd>
[[gnu::always_inline]] inline Integers<Simd> lane_numbers() {
  Integers<Simd> lanes{};
  for (int lane = 0; lane < Simd::kLanes; ++lane) lanes[lane] = lane;
  return lanes;
}

}  // namespace lorentznet::fused
