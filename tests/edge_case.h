#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "model/lgeb.h"
#include "named_tensors.h"

namespace lorentznet::test {

/// How to make a random case.
struct EdgeCaseOptions {
  std::vector<std::int64_t> sizes;  ///< nodes of each jet
  std::int64_t hidden = 8;
  bool last_layer = false;
  bool training = false;  ///< batch norm's statistics are those of the edges
  double move = 30;       ///< factor on phi_x.2's weights: 1 clamps nothing, 30 some, 1e3 most
  std::uint64_t seed = 3;
};

/// Random parameters and input of an LGEB's edge part.
struct EdgeCase {
  EdgeParameters parameters;
  at::Tensor h;                 ///< [P, H]
  at::Tensor x;                 ///< [P, 4] double, massless four-momenta of some GeV
  at::Tensor message_pull;      ///< [P, H] double, dL/d(sum of messages)
  at::Tensor translation_pull;  ///< [P, 4] double, dL/d(sum of translations)
  std::vector<std::int64_t> offsets;
};

EdgeCase random_edges(const EdgeCaseOptions& options, at::ScalarType type);

/// The same numbers as a case in double.
EdgeCase in_double(const EdgeCase& edges);

/// The parameters with their names in a layer's state dict.
NamedTensors named_parameters(const EdgeParameters& parameters);

/// The results of `kernel` for a case: "message", "translation" (not in a last layer), gradients
/// "h", "x" and under the parameters' names, and the updated "running_mean" and "running_var". The
/// case itself is unchanged.
NamedTensors run(const EdgeKernel& kernel, const EdgeCase& edges);

/// A case edge by edge, forward and backward, in double: what a comparison with a kernel in float
/// needs.
class EdgeTrace {
 public:
  /// \param edges  in double
  explicit EdgeTrace(const EdgeCase& edges);

  /// Smallest distance of a relu's input from 0, or of a translation from the clamp's bound, in
  /// units of its rounding error in float. Below 1, float may end on the other side, where the
  /// gradient is different.
  double distance_to_kink() const;

  /// Share of the translations' components that are clamped.
  double clamped_share() const;

  /// Bound on the rounding error in float of each result of run(), by name: twice float_rounding(K)
  /// times the largest sum of |terms| of an element of the tensor. K counts the products behind a
  /// term and the terms of a node's sum, which may all have the same sign. (Sums over all edges are
  /// longer, but have terms of both signs and stay far below the sum of |terms|. That sum is used
  /// rather than the root of the sum of squares because edges share nodes and weights, hence
  /// errors.)
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
  at::Tensor normed_, out_, e_, m_, move_;  ///< [E, H]; e and m after their relu, the others before
  at::Tensor phi_, translation_;  ///< [E, 1], [E, 4] before the clamp; not in a last layer
  at::Tensor normed_gradient_, out_gradient_, logit_gradient_, move_gradient_, phi_gradient_;
};

/// A case in float with `options`, except the seed, that is clear of kinks.
EdgeCase clear_of_kinks(EdgeCaseOptions options);

/// The edge part of an LGEB as the paper writes it, edge by edge with rows [h_i, h_j, s_ij, t_ij],
/// in evaluation mode and double: independent of the kernels.
struct NaiveEdges {
  at::Tensor message;              ///< [P, H]
  at::Tensor translation;          ///< [P, 4], not clamped; undefined in the last layer
  double largest_translation = 0;  ///< largest |component| of an edge's translation [GeV]
};

/// \param state  of the whole network; `layer` counts from 0
NaiveEdges naive_edges(const NamedTensors& state, int layer, const LGEBState& in,
                       const JetGraph& graph);

}  // namespace lorentznet::test
