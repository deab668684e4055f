#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "lorentznet/communicator.h"
#include "lorentznet/jet_graph.h"

namespace lorentznet {

/// The parameters that the edge part of an LGEB uses; H is the hidden width.
struct EdgeParameters {
  torch::nn::Linear edge_in{nullptr};         ///< phi_e.0, [H, 2H+2], no bias
  torch::nn::BatchNorm1d edge_norm{nullptr};  ///< phi_e.1
  torch::nn::Linear edge_out{nullptr};        ///< phi_e.3, [H, H]
  torch::nn::Linear gate{nullptr};            ///< phi_m.0, [1, H]
  torch::nn::Linear move_in{nullptr};         ///< phi_x.0, [H, H]; empty in the last layer
  torch::nn::Linear move_out{nullptr};        ///< phi_x.2, [1, H], no bias; empty in the last layer
};

/// What the edges send to each constituent; P constituents.
struct EdgeSums {
  at::Tensor message;      ///< [P, H] sum_j m_ij, in the network's type
  at::Tensor translation;  ///< [P, 4] sum_j clamp((x_i - x_j) phi_x(m_ij), -100, 100) in the type
                           ///< of the coordinates; undefined in the last layer
};

/// Edge part of an LGEB: everything of it that is of size edges x H.
///
/// All implementations compute the same function and its gradient; PlainEdgeKernel defines it.
class EdgeKernel {
 public:
  virtual ~EdgeKernel() = default;

  /// \param parameters  of one layer; edge_norm's mode (training or not) decides the statistics
  /// \param h           [P, H] embeddings
  /// \param x           [P, 4] coordinates, four-momenta of the layer, double or the network's type
  /// \param graph       the batch's edges
  virtual EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h,
                           const at::Tensor& x, const JetGraph& graph) const = 0;
};

/// The definition, in tensor operations with autograd: any float type, CPU or CUDA.
class PlainEdgeKernel final : public EdgeKernel {
 public:
  /// \param ranks  whose edges batch norm's statistics in training run over
  explicit PlainEdgeKernel(std::shared_ptr<const Communicator> ranks = single_process())
      : ranks_(std::move(ranks)) {}

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  std::shared_ptr<const Communicator> ranks_;
};

}  // namespace lorentznet
