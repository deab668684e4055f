#pragma once

#include "edge_case.h"

namespace lorentznet::test {

/// A case's edges one by one, forward and backward, in double: what a comparison with a kernel in
/// float has to know.
class EdgeTrace {
 public:
  /// \param edges  in double
  explicit EdgeTrace(const EdgeCase& edges);

  /// How far the nearest kink is from the input of a relu, or from a translation that the clamp may
  /// stop, in units of what float's rounding moves that. Below 1, float may fall on the other side,
  /// where an edge has another gradient.
  double distance_to_kink() const;

  /// Share of the translations' components that are clamped.
  double clamped_share() const;

  /// By how much float's rounding may change the elements of a result of run(), by its name: twice
  /// float_rounding(K) of the sum of the absolute values of the terms that an element is the sum
  /// of, the largest of the tensor. K counts the products behind a term, and the terms of a
  /// constituent's sum, which may have one sign. (Sums over all edges are longer, but of both
  /// signs: they stay so far below the sum of absolute values that their rounding is small beside
  /// it. That sum is taken, not the root of the sum of squares, for edges share nodes and weights,
  /// and so errors.)
  std::map<std::string, double> tolerances() const;

 private:
  void make_rows();
  at::Tensor of_receivers(const at::Tensor& nodes) const;
  at::Tensor sum_by(const at::Tensor& node, const at::Tensor& of_edges) const;
  /// Sums of |terms| of the gradients of h and x.
  at::Tensor terms_of_h() const;
  at::Tensor terms_of_x() const;
  std::map<std::string, at::Tensor> terms_of_parameters() const;

  EdgeCase case_;
  JetGraph graph_;
  at::Tensor x_i_, x_j_, difference_, distance_, product_;  ///< [E, 4], the latter two [E, 1]
  at::Tensor rows_;                                         ///< [E, 2H+2]
  at::Tensor z_, mean_, sigma_;                             ///< [E, H], [H], [H]
  at::Tensor normed_, out_, e_, m_, move_;  ///< [E, H] before the relus, but e and m
  at::Tensor phi_, translation_;  ///< [E, 1], [E, 4] before the clamp; not in a last layer
  at::Tensor normed_gradient_, out_gradient_, logit_gradient_, move_gradient_, phi_gradient_;
};

/// A case in float, of `options` but for the seed, that is clear of kinks.
EdgeCase clear_of_kinks(EdgeCaseOptions options);

}  // namespace lorentznet::test
