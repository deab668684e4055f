#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <cstdint>
#include <limits>
#include <memory>

#include "kernels/kernel.h"
#include "lorentznet/communicator.h"

namespace lorentznet {

/// Batch norm over the rows of a batch, with torch.nn.BatchNorm1d's parameters and buffers.
///
/// In training mode mean and (biased) variance run over all N rows, and the running statistics move
/// by `momentum` towards the mean and the unbiased variance; in evaluation mode the running
/// statistics are used. No rows in training mode: nothing is updated.
///
/// \param norm   the module
/// \param rows   [N, H]
/// \param ranks  in training mode statistics run over the rows of all ranks, and gradients are
///               those of the sum of the ranks' losses
at::Tensor batch_norm(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                      const std::shared_ptr<const Communicator>& ranks = single_process());

/// The same in training mode, with the last row counted `last_row_weight` times. All padded rows of
/// the Python program's batch share one trajectory, which is this one ghost row.
at::Tensor batch_norm_with_ghost(
    torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows, double last_row_weight,
    const std::shared_ptr<const Communicator>& ranks = single_process());

/// psi(p) = sign(p) log(1 + |p|), element by element (arXiv:2201.08187, section 3). Its derivative
/// is 1 / (1 + |p|), and 0 at p = 0.
at::Tensor psi(const at::Tensor& p);

/// Minkowski products <p, q> = p0 q0 - p1 q1 - p2 q2 - p3 q3 of rows, [N, 4] x [N, 4] -> [N, 1].
at::Tensor minkowski_dot(const at::Tensor& p, const at::Tensor& q);

/// How many translations (x_i - x_j) phi_x(m_ij) reach the bound of 100 GeV in a component, where
/// they are clamped and the symmetry breaks.
struct TranslationCount {
  std::int64_t edges = 0;    ///< of all layers that move coordinates
  std::int64_t clamped = 0;  ///< of them
  double fraction() const {
    return edges == 0 ? 0 : static_cast<double>(clamped) / static_cast<double>(edges);
  }
};

/// What becomes of the translations.
struct TranslationRule {
  /// Translations stay within this [GeV], as in the published program. Infinite: no clamp, and the
  /// network is invariant to rounding.
  static constexpr double kBound = 100;
  double bound = kBound;
  std::shared_ptr<TranslationCount> count = nullptr;  ///< to add to, of those beyond kBound
};

/// The bound that leaves translations as they are.
constexpr double kNoBound = std::numeric_limits<double>::infinity();

/// The definition of the edge part, in tensor operations with autograd: any float type, CPU or
/// CUDA.
class PlainEdgeKernel final : public EdgeKernel {
 public:
  /// \param ranks  whose edges batch norm's statistics in training run over
  /// \param rule   what becomes of the translations
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

/// Both.
LGEBKernels plain_kernels(const std::shared_ptr<const Communicator>& ranks = single_process(),
                          const TranslationRule& rule = {});

}  // namespace lorentznet
