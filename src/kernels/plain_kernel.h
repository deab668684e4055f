#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "engine/engine.h"
#include "kernels/kernel.h"
#include "lorentznet/communicator.h"

namespace lorentznet {

/// Batch norm over the rows of a batch, with torch.nn.BatchNorm1d's parameters and buffers.
///
/// In training mode mean and (biased) variance are those of all N rows, and the running statistics
/// move by `momentum` towards the mean and the unbiased variance; in evaluation mode the running
/// statistics are used. Without rows, or with a single one, training mode updates nothing.
///
/// \param rows   [N, H]
/// \param ranks  in training mode the statistics are those of the rows of all ranks, and the
///               gradients those of the sum of the ranks' losses
at::Tensor batch_norm(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                      const std::shared_ptr<const Communicator>& ranks = single_process());

/// The same in training mode, with the last row counted `last_row_weight` times. All padded rows of
/// a batch of the Python program have the same values; this ghost row stands for all of them.
at::Tensor batch_norm_with_ghost(
    torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows, double last_row_weight,
    const std::shared_ptr<const Communicator>& ranks = single_process());

/// How many translations (x_i - x_j) phi_x(m_ij) have a component of 100 GeV or more: the clamp
/// changes them, which breaks the symmetry.
struct TranslationCount {
  std::int64_t edges = 0;    ///< of all layers that move coordinates
  std::int64_t clamped = 0;  ///< of these
  double fraction() const {
    return edges == 0 ? 0 : static_cast<double>(clamped) / static_cast<double>(edges);
  }
};

/// The bound that leaves translations as they are.
constexpr double kNoBound = std::numeric_limits<double>::infinity();

/// What is done to translations.
struct TranslationRule {
  static constexpr double kBound = fused::kTranslationBound;
  double bound = kBound;  ///< components are clamped to it [GeV]; kNoBound: the network is
                          ///< invariant up to rounding
  std::shared_ptr<TranslationCount> count = nullptr;  ///< where to count those beyond kBound
};

/// The definition of the edge part, in tensor operations with autograd: any floating-point type,
/// CPU or CUDA.
class PlainEdgeKernel final : public EdgeKernel {
 public:
  /// \param ranks  whose edges enter the statistics of batch norm in training
  explicit PlainEdgeKernel(std::shared_ptr<const Communicator> ranks = single_process(),
                           TranslationRule rule = {})
      : ranks_(std::move(ranks)), rule_(std::move(rule)) {}

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  std::shared_ptr<const Communicator> ranks_;
  TranslationRule rule_;
};

/// The definition of the node part.
class PlainNodeKernel final : public NodeKernel {
 public:
  /// \param ranks  whose rows enter the statistics of batch norm in training
  explicit PlainNodeKernel(std::shared_ptr<const Communicator> ranks = single_process())
      : ranks_(std::move(ranks)) {}

  at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                     const at::Tensor& message, const at::Tensor& scalars,
                     double padded_rows) const override;
  at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const override;

 private:
  std::shared_ptr<const Communicator> ranks_;
};

LGEBKernels plain_kernels(const std::shared_ptr<const Communicator>& ranks = single_process(),
                          const TranslationRule& rule = {});

}  // namespace lorentznet
