#pragma once

#include <torch/nn/modules/batchnorm.h>

#include <memory>
#include <vector>

#include "engine/engine.h"
#include "lorentznet/communicator.h"

namespace lorentznet {

/// A batch norm as the fused kernels' two passes use it. Its statistics are those of the batch (of
/// all ranks) in training, else the running ones.
struct FusedNorm {
  bool of_batch = false;
  double count = 0;  ///< rows in the statistics, of all ranks
  std::shared_ptr<const Communicator> ranks = single_process();
  std::vector<double> mean, inverse_sigma;  ///< [H]
  at::Tensor scale, shift;                  ///< [H] y = z scale + shift

  /// Sums over the rows that the statistics are of, given those over this rank's rows, which stay
  /// as they are. The gradients of the rows need them.
  at::Tensor over_ranks(const at::Tensor& sums) const;

  template <typename T>
  fused::Normalisation<T> as() const {
    return {.scale = scale.const_data_ptr<T>(), .shift = shift.const_data_ptr<T>()};
  }
};

/// With the running statistics.
FusedNorm running_norm(const torch::nn::BatchNorm1dImpl& norm);

/// With the statistics of all ranks' rows, towards which the running ones move, unless there is
/// only one row. Without any row it is running_norm(). \param sums   [2, H] double, sums of z and
/// z^2 over this rank's rows \param count  of this rank's rows
FusedNorm batch_norm_of(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& sums, double count,
                        const std::shared_ptr<const Communicator>& ranks);

}  // namespace lorentznet
