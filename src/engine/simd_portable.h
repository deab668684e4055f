#pragma once

#include "engine/simd.h"

namespace lorentznet::fused {

/// What every processor has, with four lanes of float or double.
template <typename T>
struct Portable {
  using Scalar = T;
  static constexpr int kLanes = 4;
  static constexpr int kOutputs = 4;

  using V = typename VectorOf<T, kLanes>::Type;
  using I = Integers<Portable>;

  using Dot = Portable;
  static constexpr int kChannels = 1;
  [[gnu::always_inline]] static V multiply_add(V sum, V weight, V x) { return sum + weight * x; }
  [[gnu::always_inline]] static V relu(V x) { return V{} > x ? V{} : x; }
  [[gnu::always_inline]] static V permute(V x, I at) {
    return V{x[at[0]], x[at[1]], x[at[2]], x[at[3]]};
  }
  [[gnu::always_inline]] static V permute(V x, V y, I at) {
    const T both[]{x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]};
    return V{both[at[0]], both[at[1]], both[at[2]], both[at[3]]};
  }
  [[gnu::always_inline]] static V broadcast_pair(const T* pair) {
    return V{pair[0], pair[1], pair[0], pair[1]};
  }
};

}  // namespace lorentznet::fused
