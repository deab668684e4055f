#pragma once

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include "lorentznet/communicator.h"

namespace lorentznet {

/// The parameters that the node part of an LGEB uses; H is the hidden width, S the number of
/// scalars.
struct NodeParameters {
  torch::nn::Linear node_in{nullptr};         ///< phi_h.0, [H, 2H+S]
  torch::nn::BatchNorm1d node_norm{nullptr};  ///< phi_h.1
  torch::nn::Linear node_out{nullptr};        ///< phi_h.3, [H, H]
};

/// Node part of an LGEB: h_i + phi_h(h_i, sum_j m_ij, s_i).
///
/// All implementations compute the same function and its gradient; PlainNodeKernel defines it.
class NodeKernel {
 public:
  virtual ~NodeKernel() = default;

  /// \param parameters   of one layer; node_norm's mode (training or not) decides the statistics
  /// \param h            [P, H] embeddings, or [P+1, H] with the ghost row last
  /// \param message      [P, H] sum_j m_ij; the ghost receives none
  /// \param scalars      [P, S] or [P+1, S]
  /// \param padded_rows  weight of the ghost row in batch norm; 0: there is none
  /// \return new embeddings, of h's shape
  virtual at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                             const at::Tensor& message, const at::Tensor& scalars,
                             double padded_rows) const = 0;

  /// A Linear outside the LGEBs, of nodes (the embedding) or of jets (the decoder).
  /// \param rows [N, inputs] \return [N, outputs]
  virtual at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const = 0;
};

/// The definition, in tensor operations with autograd: any float type, CPU or CUDA.
class PlainNodeKernel final : public NodeKernel {
 public:
  /// \param ranks  whose rows batch norm's statistics in training run over
  explicit PlainNodeKernel(std::shared_ptr<const Communicator> ranks = single_process())
      : ranks_(std::move(ranks)) {}

  at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                     const at::Tensor& message, const at::Tensor& scalars,
                     double padded_rows) const override;
  at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const override;

 private:
  std::shared_ptr<const Communicator> ranks_;
};

}  // namespace lorentznet
