#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace lorentznet {

/// The edges of a batch: all ordered pairs (i, j), i != j, of constituents of one jet.
///
/// Constituents of all jets are laid end to end; edges are sorted by receiver, then by sender.
class JetGraph {
 public:
  /// \param offsets [J+1] jet j owns constituents offsets[j] .. offsets[j+1] - 1
  /// \param device  where the index tensors live
  JetGraph(std::vector<std::int64_t> offsets, const at::Device& device);

  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::int64_t num_constituents() const { return offsets_.back(); }
  std::int64_t num_edges() const { return num_edges_; }

  const at::Tensor& receiver() const { return edges().receiver; }  ///< [E] int64, i of each edge
  const at::Tensor& sender() const { return edges().sender; }      ///< [E] int64, j of each edge
  const at::Tensor& jet() const { return jet_; }  ///< [P] int64, jet of each constituent
  /// [P, 1] double: max(1, n-1), the number of edges that each constituent receives.
  const at::Tensor& degree() const { return degree_; }

 private:
  struct Edges {
    at::Tensor receiver, sender;
  };
  const Edges& edges() const;

  std::vector<std::int64_t> offsets_;
  at::Device device_;
  std::int64_t num_edges_ = 0;
  at::Tensor jet_, degree_;
  mutable std::optional<Edges> edges_;  ///< made when a kernel asks: not all need these lists
};

}  // namespace lorentznet
