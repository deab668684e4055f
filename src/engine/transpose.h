#pragma once

#include "engine/simd.h"

namespace lorentznet::fused {

// Between arrays of rows, one constituent after the other, and arrays with constituents in lanes.

/// \param from  aligned as its elements are
template <typename V, typename T>
[[gnu::always_inline]] inline V load_anywhere(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof(V));
  return value;
}

template <typename V, typename T>
[[gnu::always_inline]] inline void store_anywhere(T* to, V value) {
  __builtin_memcpy(to, &value, sizeof(V));
}

/// Transposes units of W lanes: afterwards unit l of x[k] is what was unit k of x[l].
template <typename Simd, int W, int D = 1>
[[gnu::always_inline]] inline void transpose_units(Vector<Simd>* x) {
  constexpr int N = Simd::kLanes, kUnits = N / W;
  if constexpr (D < kUnits) {
    for (int k = 0; k < kUnits; ++k) {
      if ((k & D) != 0) continue;
      const Vector<Simd> a = x[k], b = x[k + D];
      [&]<int... l>(std::integer_sequence<int, l...>) __attribute__((always_inline)) {
        x[k] = __builtin_shufflevector(a, b, ((l & W * D) != 0 ? N + l - W * D : l)...);
        x[k + D] = __builtin_shufflevector(a, b, ((l & W * D) != 0 ? N + l : l + W * D)...);
      }
      (std::make_integer_sequence<int, N>{});
    }
    transpose_units<Simd, W, 2 * D>(x);
  }
}

/// The first element of a matrix, and the distance of its lines.
template <typename T>
struct Lines {
  T* first;
  long step;

  T* operator[](long line) const { return first + line * step; }
};

/// to[c][lane] = f(c, lanes)[lane] with lanes[i] = from[i][c], 0 from `rows` on; rows <= kLanes.
template <typename Simd, typename F>
[[gnu::always_inline]] inline void rows_to_lanes(Lines<const typename Simd::Scalar> from, int rows,
                                                 int channels, Lines<typename Simd::Scalar> to,
                                                 F f) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  if (channels < N) {
    for (int c = 0; c < channels; ++c) {
      V lanes{};
      for (int i = 0; i < rows; ++i) lanes[i] = from[i][c];
      store(to[c], f(c, lanes));
    }
    return;
  }
  for (int next = 0; next < channels; next += N) {
    const int c = next + N <= channels ? next : channels - N;  // the last ones overlap
    V x[N];
    unroll<N>([&](auto i) __attribute__((always_inline)) {
      x[i] = i < rows ? load_anywhere<V>(from[i] + c) : V{};
    });
    transpose_units<Simd, 1>(x);
    unroll<N>([&](auto k) __attribute__((always_inline)) { store(to[c + k], f(c + k, x[k])); });
  }
}

/// to[i][c] = from[c][lane i], i < rows <= kLanes.
template <typename Simd>
void lanes_to_rows(Lines<const typename Simd::Scalar> from, int rows, int channels,
                   Lines<typename Simd::Scalar> to) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  if (channels < N) {
    for (int i = 0; i < rows; ++i) {
      for (int c = 0; c < channels; ++c) to[i][c] = from[c][i];
    }
    return;
  }
  for (int next = 0; next < channels; next += N) {
    const int c = next + N <= channels ? next : channels - N;  // the last ones overlap
    V x[N];
    unroll<N>([&](auto k) __attribute__((always_inline)) { x[k] = load<V>(from[c + k]); });
    transpose_units<Simd, 1>(x);
    unroll<N>([&](auto i) __attribute__((always_inline)) {
      if (i < rows) store_anywhere(to[i] + c, x[i]);
    });
  }
}

}  // namespace lorentznet::fused
