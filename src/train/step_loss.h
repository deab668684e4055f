#pragma once

#include <ATen/core/Tensor.h>

#include "lorentznet/communicator.h"
#include "lorentznet/lorentznet.h"
#include "train/pass.h"

namespace lorentznet {

/// The loss of a training step, from which its backward pass begins.
struct StepLoss {
  at::Tensor logits;
  BatchResult result;
  // Undefined where they follow from the loss and its graph: not by a GPU's own kernels.
  at::Tensor gradient;  ///< dL/dlogits
  at::Tensor spoiled;   ///< as average() has it, of this rank

  void backward() const;
  /// Averages the gradients over the ranks, on a GPU.
  /// \return what take_step() asks for: whether the loss of a rank is not finite
  at::Tensor average(const Communicator& ranks, const torch::nn::Module& model) const;
};

/// \param logits  of a network in training
StepLoss score_step(const at::Tensor& logits, const Batch& batch);

}  // namespace lorentznet
