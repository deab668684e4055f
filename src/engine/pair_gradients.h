#pragma once

#include "engine/edge_nodes.h"

namespace lorentznet::fused {

/// dL/dphi_ij of the translations clamp((x_i - x_j) phi_ij), out of dL/d(their sum) [n, 4].
template <typename S>
void gradients_of_phi(int n, const Coordinates<S>& x, const double* pull,
                      const typename S::Scalar* phi, typename S::Scalar* gradient) {
  for (int i = 0; i < n; ++i, pull += 4, phi += pair_step(n), gradient += pair_step(n)) {
    for (int j = 0; j < n; j += kPairs<S>) {
      const Pairs<S> pairs(x, i, j);
      const Doubles<S> size = __builtin_convertvector(load<OfPairs<S>>(phi + j), Doubles<S>);
      Doubles<S> sum{};
      for (int k = 0; k < 4; ++k) {
        const Doubles<S> moved = pairs.difference[k] * size;
        sum += moved == clamped<S>(moved) ? pull[k] * pairs.difference[k] : Doubles<S>{};
      }
      store(gradient + j, __builtin_convertvector(sum, OfPairs<S>));
    }
  }
}

/// psi'(p) = 1 / (1 + |p|), 0 at 0.
template <typename S>
[[gnu::always_inline]] inline Doubles<S> psi_slope(Doubles<S> p) {
  const Doubles<S> slope = 1. / (1. + (p < 0 ? -p : p));
  return p == 0 ? Doubles<S>{} : slope;
}

/// What CoordinateGradients is given of the pairs.
template <typename T>
struct PairArrays {
  const T *s, *t;                    ///< s_ij, t_ij
  const T *s_gradient, *t_gradient;  ///< dL/ds_ij, dL/dt_ij before the terms of the statistics
  const T* phi;                      ///< null in the last layer
};

/// dL/dx of a jet [n, 4]: through s, t and the translation of each edge, to receiver and sender.
template <typename S>
class CoordinateGradients {
 public:
  using T = typename S::Scalar;

  /// \param pull [n, 4] dL/d(sum of translations); null in the last layer
  CoordinateGradients(int n, const Coordinates<S>& x, const double* pull,
                      const PairArrays<T>& arrays, const NormPairTerm<S>& of_s,
                      const NormPairTerm<S>& of_t)
      : n_(n), x_(x), pull_(pull), arrays_(arrays), of_s_(of_s), of_t_(of_t), senders_(n) {}

  void run(double* gradient) {
    for (int i = 0; i < n_; ++i) {
      EightSums<S> sum[4];
      for (int j = 0; j < n_; j += kPairs<S>) {
        const Pairs<S> pairs(x_, i, j);
        add_products(pairs, i, j, sum);
        if (arrays_.phi != nullptr) add_translations(pairs, i, j, sum);
      }
      for (int k = 0; k < 4; ++k) gradient[4 * i + k] = sum[k].total();
    }
    for (int i = 0; i < n_; ++i) {
      for (int k = 0; k < 4; ++k) gradient[4 * i + k] += senders_.one(k, i);
    }
  }

 private:
  [[gnu::always_inline]] Doubles<S> at(const T* array, int i, int first) const {
    return __builtin_convertvector(load<OfPairs<S>>(array + i * pair_step(n_) + first), Doubles<S>);
  }
  [[gnu::always_inline]] Doubles<S> statistics(const NormPairTerm<S>& term, int i,
                                               int first) const {
    return (term.constant + term.by_s * at(arrays_.s, i, first) +
            term.by_t * at(arrays_.t, i, first)) +
           (load<Doubles<S>>(term.of.get() + first) + term.of[i]);
  }
  [[gnu::always_inline]] void add_to_senders(int k, int first, Doubles<S> value) {
    double* const to = senders_.from(k, first);
    store(to, load<Doubles<S>>(to) + value);
  }

  [[gnu::always_inline]] void add_products(const Pairs<S>& pairs, int i, int first,
                                           EightSums<S>* sum) {
    const Doubles<S> s = at(arrays_.s_gradient, i, first) - statistics(of_s_, i, first);
    const Doubles<S> t = at(arrays_.t_gradient, i, first) - statistics(of_t_, i, first);
    const Doubles<S> to_s = of_senders<S>(n_, i, first, s * (2. * psi_slope<S>(pairs.distance())));
    const Doubles<S> to_t = of_senders<S>(n_, i, first, t * psi_slope<S>(pairs.product()));
    for (int k = 0; k < 4; ++k) {
      const double sign = k == 0 ? 1 : -1;
      const Doubles<S> apart = to_s * pairs.difference[k];
      sum[k].add(sign * (apart + to_t * pairs.sender[k]), first);
      add_to_senders(k, first, sign * (to_t * pairs.receiver[k] - apart));
    }
  }

  [[gnu::always_inline]] void add_translations(const Pairs<S>& pairs, int i, int first,
                                               EightSums<S>* sum) {
    const Doubles<S> phi = at(arrays_.phi, i, first);
    for (int k = 0; k < 4; ++k) {
      const Doubles<S> moved = pairs.difference[k] * phi;
      const Doubles<S> value = of_senders<S>(
          n_, i, first, moved == clamped<S>(moved) ? phi * pull_[4 * i + k] : Doubles<S>{});
      sum[k].add(value, first);
      add_to_senders(k, first, -value);
    }
  }

  int n_;
  const Coordinates<S>& x_;
  const double* pull_;
  const PairArrays<T>& arrays_;
  const NormPairTerm<S>&of_s_, &of_t_;
  Coordinates<S> senders_;  ///< what nodes get as senders
};

}  // namespace lorentznet::fused
