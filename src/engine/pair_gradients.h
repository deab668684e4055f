#pragma once

#include "engine/edge_nodes.h"

namespace lorentznet::fused {

/// dL/dphi_ij of the translations clamp((x_i - x_j) phi_ij), out of dL/d(their sum) [n, 4].
template <typename Simd>
void gradients_of_phi(const JetShape<Simd>& shape, const Coordinates<Simd>& x,
                      const Coordinates<Simd>& gradient, const typename Simd::Scalar* phi,
                      typename Simd::Scalar* phi_gradient) {
  using D = Doubles<Simd>;
  using Half = HalfVector<Simd>;
  for_each_pair(
      shape, [&](int first, int j, long place) __attribute__((always_inline)) {
        const Pairs<Simd> pairs(x, first, j);
        const D size = __builtin_convertvector(load<Half>(phi + place), D);
        D sum{};
        for (int k = 0; k < 4; ++k) {
          const D moved = pairs.difference[k] * size;
          const D pull = gradient.lanes(k, first) * pairs.difference[k];
          sum += moved == clamped<Simd>(moved) ? pull : D{};
        }
        store(phi_gradient + place, __builtin_convertvector(sum, Half));
      });
}

/// out_ij = f(place of ij, pairs_ji) for vectors of receivers i.
/// \param pairs, out  not the same
template <typename Simd, typename F>
void transpose(const JetShape<Simd>& shape, const typename Simd::Scalar* pairs,
               typename Simd::Scalar* out, F f) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  const long step = shape.padded;
  for (int row = 0; row < shape.blocks; ++row) {
    for (int column = 0; column < shape.blocks; ++column) {
      const long from = (row * step + column) * N, to = (column * step + row) * N;
      V x[N];
      unroll<N>([&](auto i) __attribute__((always_inline)) {
        x[i] = i < shape.rows_of(row) ? load<V>(pairs + from + i * step) : V{};
      });
      transpose_units<Simd, 1>(x);
      unroll<N>([&](auto k) __attribute__((always_inline)) {
        if (k < shape.rows_of(column)) store(out + to + k * step, f(to + k * step, x[k]));
      });
    }
  }
}

/// psi'(p) = 1 / (1 + |p|), 0 at 0.
template <typename Simd>
[[gnu::always_inline]] inline Doubles<Simd> psi_slope(Doubles<Simd> p) {
  const Doubles<Simd> slope = 1. / (1. + (p < 0 ? -p : p));
  return p == 0 ? Doubles<Simd>{} : slope;
}

/// What gradients_of_coordinates is given of the pairs: [sender][receiver].
template <typename T>
struct PairArrays {
  const T *s, *t;              ///< s_ij, t_ij
  const T *s_both, *t_both;    ///< dL/ds_ij + dL/ds_ji before the terms of the statistics
  const T *phi, *phi_reverse;  ///< phi_ij, phi_ji; null in the last layer
};

/// dL/dx of a jet [n, 4]: through s and t of both edges of each pair, and the translations.
template <typename Simd>
class CoordinateGradients {
 public:
  using T = typename Simd::Scalar;
  using D = Doubles<Simd>;

  CoordinateGradients(const JetShape<Simd>& shape, const Coordinates<Simd>& x,
                      const Coordinates<Simd>& translation_gradient, const PairArrays<T>& arrays,
                      const NormPairTerm<Simd>& of_s, const NormPairTerm<Simd>& of_t)
      : shape_(shape),
        x_(x),
        pull_(translation_gradient),
        arrays_(arrays),
        of_s_(of_s),
        of_t_(of_t) {}

  void run(double* gradient) const {
    for (int first = 0; first < shape_.padded; first += kHalf<Simd>) {
      D sum[4] = {};
      for (int j = 0; j < shape_.n; ++j) {
        const Pairs<Simd> pairs(x_, first, j);
        add_products(pairs, first, j, sum);
        if (arrays_.phi != nullptr) add_translations(pairs, first, j, sum);
      }
      for (int lane = 0; lane < kHalf<Simd> && first + lane < shape_.n; ++lane) {
        for (int k = 0; k < 4; ++k) gradient[4 * (first + lane) + k] = sum[k][lane];
      }
    }
  }

 private:
  [[gnu::always_inline]] D at(const T* array, int first, int j) const {
    const auto* row = array + static_cast<long>(j) * shape_.padded + first;
    return __builtin_convertvector(load<HalfVector<Simd>>(row), D);
  }
  [[gnu::always_inline]] D statistics(const NormPairTerm<Simd>& term, int first, int j) const {
    return 2. * (term.constant + term.by_s * at(arrays_.s, first, j) +
                 term.by_t * at(arrays_.t, first, j)) +
           load<D>(term.of.get() + first) + term.of[j];
  }

  [[gnu::always_inline]] void add_products(const Pairs<Simd>& pairs, int first, int j,
                                           D* sum) const {
    D to_s = at(arrays_.s_both, first, j) - statistics(of_s_, first, j);
    D to_t = at(arrays_.t_both, first, j) - statistics(of_t_, first, j);
    to_s *= 2. * psi_slope<Simd>(pairs.distance());
    to_t *= psi_slope<Simd>(pairs.product());
    if (j >= first && j < first + kHalf<Simd>) to_t[j - first] = 0;  // not an edge
    sum[0] += to_s * pairs.difference[0] + to_t * pairs.sender[0];
    for (int k = 1; k < 4; ++k) sum[k] -= to_s * pairs.difference[k] + to_t * pairs.sender[k];
  }

  [[gnu::always_inline]] void add_translations(const Pairs<Simd>& pairs, int first, int j,
                                               D* sum) const {
    const D phi = at(arrays_.phi, first, j), reverse = at(arrays_.phi_reverse, first, j);
    for (int k = 0; k < 4; ++k) {
      const D received = pairs.difference[k] * phi, sent = pairs.difference[k] * reverse;
      sum[k] += received == clamped<Simd>(received) ? phi * pull_.lanes(k, first) : D{};
      sum[k] -= sent == clamped<Simd>(sent) ? reverse * pull_.one(k, j) : D{};
    }
  }

  const JetShape<Simd>& shape_;
  const Coordinates<Simd>&x_, &pull_;
  const PairArrays<T>& arrays_;
  const NormPairTerm<Simd>&of_s_, &of_t_;
};

}  // namespace lorentznet::fused
