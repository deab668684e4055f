#pragma once

#include <torch/nn/modules/batchnorm.h>

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

}  // namespace lorentznet
