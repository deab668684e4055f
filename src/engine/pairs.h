#pragma once

#include "engine/engine.h"
#include "engine/jet_arrays.h"
#include "engine/vector_math.h"

namespace lorentznet::fused {

// What the pairs of a jet's constituents need of their coordinates, in double, as dense arrays
// [sender j][receiver i]. What is no edge is finite and counts nowhere.

/// The coordinates of a jet: lanes of each component.
template <typename Simd>
class Coordinates {
 public:
  using D = Doubles<Simd>;

  /// \param x [n, 4]
  Coordinates(const JetShape<Simd>& shape, const double* x)
      : padded_(shape.padded), x_(4L * shape.padded) {
    for (int i = 0; i < shape.n; ++i) {
      for (int k = 0; k < 4; ++k) x_[k * padded_ + i] = x[4 * i + k];
    }
  }
  /// Component k of kHalf constituents from `first` on.
  [[gnu::always_inline]] D lanes(int k, int first) const {
    return load<D>(x_.get() + k * padded_ + first);
  }
  [[gnu::always_inline]] double one(int k, int i) const { return x_[k * padded_ + i]; }

 private:
  int padded_;
  Buffer<Simd, double> x_;
};

/// Receivers first .. first + kHalf - 1 and sender j.
template <typename Simd>
struct Pairs {
  using D = Doubles<Simd>;

  D receiver[4], difference[4];
  double sender[4];

  [[gnu::always_inline]] Pairs(const Coordinates<Simd>& x, int first, int j) {
    for (int k = 0; k < 4; ++k) {
      receiver[k] = x.lanes(k, first);
      sender[k] = x.one(k, j);
      difference[k] = receiver[k] - sender[k];
    }
  }
  /// |x_i - x_j|^2
  [[gnu::always_inline]] D distance() const {
    return difference[0] * difference[0] -
           (difference[1] * difference[1] + difference[2] * difference[2] +
            difference[3] * difference[3]);
  }
  /// <x_i, x_j>
  [[gnu::always_inline]] D product() const {
    return receiver[0] * sender[0] -
           (receiver[1] * sender[1] + receiver[2] * sender[2] + receiver[3] * sender[3]);
  }
};

/// Calls f(first, j, place) for kHalf receivers at a time, place being theirs in a dense array.
template <typename Simd, typename F>
[[gnu::always_inline]] inline void for_each_pair(const JetShape<Simd>& shape, F f) {
  for (int j = 0; j < shape.n; ++j) {
    for (int first = 0; first < shape.padded; first += kHalf<Simd>) {
      f(first, j, static_cast<long>(j) * shape.padded + first);
    }
  }
}

/// psi of a dense array; 0 where there is no edge.
template <typename Simd>
void psi_of_pairs(const JetShape<Simd>& shape, typename Simd::Scalar* values) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  for (int j = 0; j < shape.n; ++j) {
    auto* const row = values + static_cast<long>(j) * shape.padded;
    for (int block = 0; block < shape.blocks; ++block) {
      const V value = psi<Simd>(load<V>(row + block * N));
      store(row + block * N, lane_numbers<Simd>() < shape.rows_of(block) ? value : V{});
    }
    row[j] = 0;
  }
}

/// s_ij = psi(|x_i - x_j|^2) and t_ij = psi(<x_i, x_j>); 0 where there is no edge.
template <typename Simd>
void products_of_pairs(const JetShape<Simd>& shape, const Coordinates<Simd>& x,
                       typename Simd::Scalar* s, typename Simd::Scalar* t) {
  using Half = HalfVector<Simd>;
  for_each_pair(
      shape, [&](int first, int j, long place) __attribute__((always_inline)) {
        const Pairs<Simd> pairs(x, first, j);
        store(s + place, __builtin_convertvector(pairs.distance(), Half));
        store(t + place, __builtin_convertvector(pairs.product(), Half));
      });
  psi_of_pairs(shape, s);
  psi_of_pairs(shape, t);
}

/// x within [-kTranslationBound, kTranslationBound]; not a number stays so.
template <typename Simd>
[[gnu::always_inline]] inline Doubles<Simd> clamped(Doubles<Simd> x) {
  constexpr Doubles<Simd> kZero{};
  x = x < -kTranslationBound ? kZero - kTranslationBound : x;
  return x > kTranslationBound ? kZero + kTranslationBound : x;
}

/// sum_j clamp((x_i - x_j) phi_ij, -bound, bound). \param translation [n, 4]
template <typename Simd>
void translations(const JetShape<Simd>& shape, const Coordinates<Simd>& x,
                  const typename Simd::Scalar* phi, double* translation) {
  using D = Doubles<Simd>;
  for (int first = 0; first < shape.padded; first += kHalf<Simd>) {
    D sum[4] = {};
    for (int j = 0; j < shape.n; ++j) {
      const Pairs<Simd> pairs(x, first, j);
      const auto sizes = load<HalfVector<Simd>>(phi + static_cast<long>(j) * shape.padded + first);
      const D size = __builtin_convertvector(sizes, D);
      for (int k = 0; k < 4; ++k) sum[k] += clamped<Simd>(pairs.difference[k] * size);
    }
    for (int lane = 0; lane < kHalf<Simd> && first + lane < shape.n; ++lane) {
      for (int k = 0; k < 4; ++k) translation[4 * (first + lane) + k] = sum[k][lane];
    }
  }
}

}  // namespace lorentznet::fused
