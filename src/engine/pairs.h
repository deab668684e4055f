#pragma once

#include "engine/engine.h"
#include "engine/scratch.h"
#include "engine/vector_math.h"

namespace lorentznet::fused {

// What the pairs of a jet's nodes need of their coordinates, in double. Arrays of pairs are
// [receiver i][padded(n) senders j], zero where there is no edge.

/// Rows of pairs are this long.
[[gnu::always_inline]] constexpr long pair_step(int n) { return padded(n); }

/// The coordinates of a jet, or gradients of them: one component after the other.
template <typename S>
class Coordinates {
 public:
  explicit Coordinates(int n) : step_(pair_step(n)), x_(4 * step_) {}
  /// \param x [n, 4]
  Coordinates(int n, const double* x) : Coordinates(n) {
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < 4; ++k) x_[k * step_ + i] = x[4 * i + k];
    }
  }
  /// Component k of kPairs<S> nodes from `first` on.
  [[gnu::always_inline]] double* from(int k, int first) { return x_.get() + k * step_ + first; }
  [[gnu::always_inline]] Doubles<S> lanes(int k, int first) const {
    return load<Doubles<S>>(x_.get() + k * step_ + first);
  }
  [[gnu::always_inline]] double one(int k, int i) const { return x_[k * step_ + i]; }

 private:
  long step_;
  Buffer<S, double> x_;
};

/// Receiver i and senders first .. first + kPairs<S> - 1.
template <typename S>
struct Pairs {
  double receiver[4];
  Doubles<S> sender[4], difference[4];

  [[gnu::always_inline]] Pairs(const Coordinates<S>& x, int i, int first) {
    for (int k = 0; k < 4; ++k) {
      receiver[k] = x.one(k, i);
      sender[k] = x.lanes(k, first);
      difference[k] = receiver[k] - sender[k];
    }
  }
  /// |x_i - x_j|^2
  [[gnu::always_inline]] Doubles<S> distance() const {
    return difference[0] * difference[0] -
           (difference[1] * difference[1] + difference[2] * difference[2] +
            difference[3] * difference[3]);
  }
  /// <x_i, x_j>
  [[gnu::always_inline]] Doubles<S> product() const {
    return receiver[0] * sender[0] -
           (receiver[1] * sender[1] + receiver[2] * sender[2] + receiver[3] * sender[3]);
  }
};

/// psi of row i of pairs.
template <typename S>
[[gnu::always_inline]] inline void psi_of_row(int n, int i, typename S::Scalar* row) {
  using V = Vector<S>;
  for (int j = 0; j < n; j += S::kLanes) store(row + j, psi<S>(load<V>(row + j)));
  for (int j = n; j < padded(n); ++j) row[j] = 0;
  row[i] = 0;
}

/// s_ij = psi(|x_i - x_j|^2) and t_ij = psi(<x_i, x_j>), both symmetric, of some receivers i.
template <typename S>
void products_of_pairs(NodeRange receivers, int n, const Coordinates<S>& x, typename S::Scalar* s,
                       typename S::Scalar* t) {
  using Lanes = OfPairs<S>;
  for (int i = receivers.first; i < receivers.end; ++i) {
    auto* const s_row = s + i * pair_step(n);
    auto* const t_row = t + i * pair_step(n);
    for (int j = 0; j < n; j += kPairs<S>) {
      const Pairs<S> pairs(x, i, j);
      store(s_row + j, __builtin_convertvector(pairs.distance(), Lanes));
      store(t_row + j, __builtin_convertvector(pairs.product(), Lanes));
    }
    psi_of_row<S>(n, i, s_row);
    psi_of_row<S>(n, i, t_row);
  }
}

/// x within [-kTranslationBound, kTranslationBound]; not a number stays so.
template <typename S>
[[gnu::always_inline]] inline Doubles<S> clamped(Doubles<S> x) {
  constexpr Doubles<S> kZero{};
  x = x < -kTranslationBound ? kZero - kTranslationBound : x;
  return x > kTranslationBound ? kZero + kTranslationBound : x;
}

/// The values of the senders from `first` on to receiver i; 0 for what is no edge.
template <typename S>
[[gnu::always_inline]] inline Doubles<S> of_senders(int n, int i, int first, Doubles<S> values) {
  constexpr int N = kPairs<S>;
  if (first + N <= n && (i < first || i >= first + N)) return values;
  for (int lane = 0; lane < N; ++lane) {
    if (first + lane >= n || first + lane == i) values[lane] = 0;
  }
  return values;
}

/// sum_j clamp((x_i - x_j) phi_ij, -bound, bound) of some receivers i. \param translation [n, 4]
template <typename S>
void translations(NodeRange receivers, int n, const Coordinates<S>& x,
                  const typename S::Scalar* phi, double* translation) {
  for (int i = receivers.first; i < receivers.end; ++i) {
    const auto* const row = phi + i * pair_step(n);
    EightSums<S> sum[4];
    for (int j = 0; j < n; j += kPairs<S>) {
      const Pairs<S> pairs(x, i, j);
      const Doubles<S> size = __builtin_convertvector(load<OfPairs<S>>(row + j), Doubles<S>);
      for (int k = 0; k < 4; ++k) {
        sum[k].add(of_senders<S>(n, i, j, clamped<S>(pairs.difference[k] * size)), j);
      }
    }
    for (int k = 0; k < 4; ++k) translation[4 * i + k] = sum[k].total();
  }
}

}  // namespace lorentznet::fused
