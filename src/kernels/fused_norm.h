#pragma once

#include <torch/nn/modules/batchnorm.h>

#include <vector>

#include "engine/engine.h"
#include "lorentznet/communicator.h"

namespace lorentznet {

/// A batch norm as the fused kernel's two passes need it. Its statistics are the batch's in
/// training, with those of the other ranks, else the running ones.
struct FusedNorm {
  bool of_batch = false;
  double count = 0;  ///< rows in the statistics, of all ranks
  std::shared_ptr<const Communicator> ranks = single_process();
  std::vector<double> mean, inverse_sigma;  ///< [H]
  at::Tensor scale, shift;                  ///< [H] y = z scale + shift

  /// What the backward pass takes back into the rows: sums over the rows of all ranks, where the
  /// statistics are theirs, out of those over this rank's. The latter stay.
  at::Tensor over_ranks(const at::Tensor& sums) const;

  template <typename T>
  fused::Normalisation<T> in() const {
    return {.scale = scale.const_data_ptr<T>(), .shift = shift.const_data_ptr<T>()};
  }
};

/// With the running statistics.
FusedNorm running_norm(const torch::nn::BatchNorm1dImpl& norm);

/// With the statistics of all ranks' rows; the running ones move towards them. Without any row it
/// is running_norm().
/// \param sums   [2, H] double, sums over this rank's rows of z and z^2
/// \param count  of this rank's rows
FusedNorm batch_norm_of(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& sums, double count,
                        const std::shared_ptr<const Communicator>& ranks);

}  // namespace lorentznet
