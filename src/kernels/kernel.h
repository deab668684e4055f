#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/segments.h"

namespace lorentznet {

/// \throws InputError if `offsets` do not begin at 0, or a jet has no nodes
void check_offsets(const std::vector<std::int64_t>& offsets);

/// The edges of a batch: all ordered pairs (i, j), i != j, of nodes of one jet.
///
/// The nodes of all jets are laid end to end; edges are sorted by receiver, then by sender.
class JetGraph {
 public:
  /// \param offsets [J+1] jet j owns nodes offsets[j] .. offsets[j+1] - 1
  /// \param device  where the index tensors live
  /// \throws InputError  as check_offsets()
  JetGraph(std::vector<std::int64_t> offsets, const at::Device& device);

  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::int64_t num_nodes() const { return offsets_.back(); }
  std::int64_t num_edges() const { return num_edges_; }

  const at::Tensor& receiver() const { return received().of_row; }  ///< [E] int64, i of each edge
  const at::Tensor& sender() const { return edges().sender; }       ///< [E] int64, j of each edge
  const at::Tensor& jet() const { return jets_.of_row; }            ///< [P] int64, jet of each node
  /// [P, 1] double: max(1, n-1), the number of edges that each node receives.
  const at::Tensor& degree() const { return degree_; }

  const Segments& jets() const { return jets_; }                 ///< the nodes of each jet
  const Segments& received() const { return edges().received; }  ///< the edges that a node receives
  /// [E] int64: of edge (i, j) the number of (j, i). Its own inverse.
  const at::Tensor& opposite() const { return edges().opposite; }

 private:
  struct Edges {
    Segments received;
    at::Tensor sender, opposite;
  };
  const Edges& edges() const;

  std::vector<std::int64_t> offsets_;
  std::int64_t num_edges_ = 0;
  Segments jets_;
  at::Tensor received_edges_;  ///< [P] int64, n-1
  at::Tensor degree_;
  mutable std::optional<Edges> edges_;  ///< made on first use: the fused kernel never asks
};

/// Parameters of the edge part of an LGEB; H is the hidden width.
struct EdgeParameters {
  torch::nn::Linear edge_in{nullptr};         ///< phi_e.0, [H, 2H+2], no bias
  torch::nn::BatchNorm1d edge_norm{nullptr};  ///< phi_e.1
  torch::nn::Linear edge_out{nullptr};        ///< phi_e.3, [H, H]
  torch::nn::Linear gate{nullptr};            ///< phi_m.0, [1, H]
  torch::nn::Linear move_in{nullptr};         ///< phi_x.0, [H, H]; empty in the last layer
  torch::nn::Linear move_out{nullptr};        ///< phi_x.2, [1, H], no bias; empty in the last layer
};

/// Sums over the edges that each node receives.
struct EdgeSums {
  at::Tensor message;      ///< [P, H] sum_j m_ij, in the network's type
  at::Tensor translation;  ///< [P, 4] sum_j clamp((x_i - x_j) phi_x(m_ij), -100, 100) in the type
                           ///< of the coordinates; undefined in the last layer
};

/// The edge part of an LGEB: everything in it of size edges x H.
///
/// All implementations compute the same function and its gradient; PlainEdgeKernel defines it.
class EdgeKernel {
 public:
  virtual ~EdgeKernel() = default;

  /// \param parameters  of one layer; whether edge_norm is in training mode decides its statistics
  /// \param h           [P, H] embeddings
  /// \param x           [P, 4] coordinates, in double or in the network's type
  /// \param graph       the batch's edges
  /// \throws std::invalid_argument naming a tensor that does not fit the others
  virtual EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h,
                           const at::Tensor& x, const JetGraph& graph) const = 0;
};

/// Parameters of the node part of an LGEB; H is the hidden width, S the number of scalars.
struct NodeParameters {
  torch::nn::Linear node_in{nullptr};         ///< phi_h.0, [H, 2H+S]
  torch::nn::BatchNorm1d node_norm{nullptr};  ///< phi_h.1
  torch::nn::Linear node_out{nullptr};        ///< phi_h.3, [H, H]
};

/// The node part of an LGEB: h_i + phi_h(h_i, sum_j m_ij, s_i).
///
/// All implementations compute the same function and its gradient; PlainNodeKernel defines it.
class NodeKernel {
 public:
  virtual ~NodeKernel() = default;

  /// \param parameters   of one layer; whether node_norm is in training mode decides its statistics
  /// \param h            [P, H] embeddings, or [P+1, H] with the ghost row last
  /// \param message      [P, H] sum_j m_ij; the ghost receives none
  /// \param scalars      [P, S] or [P+1, S]
  /// \param padded_rows  weight of the ghost row in batch norm; 0: there is no ghost
  /// \return new embeddings, of h's shape
  /// \throws std::invalid_argument naming a tensor that does not fit the others
  virtual at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                             const at::Tensor& message, const at::Tensor& scalars,
                             double padded_rows) const = 0;

  /// A Linear outside the LGEBs: the embedding of nodes, or the decoder of jets.
  /// \param rows [N, inputs] \return [N, outputs]
  virtual at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const = 0;
};

// What all kernels check first. \throws std::invalid_argument naming the tensor and both values
void check_edges(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                 const JetGraph& graph);
void check_nodes(const NodeParameters& parameters, const at::Tensor& h, const at::Tensor& message,
                 const at::Tensor& scalars, double padded_rows);
void check_rows(const torch::nn::LinearImpl& layer, const at::Tensor& rows);

/// The kernels that compute the layers of a network.
struct LGEBKernels {
  std::unique_ptr<const EdgeKernel> edges;
  std::unique_ptr<const NodeKernel> nodes;
};

}  // namespace lorentznet
