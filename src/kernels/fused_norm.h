#pragma once

#include <torch/nn/modules/batchnorm.h>

#include <vector>

#include "kernels/fused/engine.h"

namespace lorentznet {

/// A batch norm as the fused kernel's two passes need it. Its statistics are the batch's in
/// training, else the running ones.
struct FusedNorm {
  bool of_batch = false;
  std::vector<double> mean, inverse_sigma;  ///< [H]
  at::Tensor scale, shift;                  ///< [H] y = z scale + shift

  template <typename T>
  fused::Normalisation<T> in() const {
    return {.scale = scale.const_data_ptr<T>(), .shift = shift.const_data_ptr<T>()};
  }
};

/// With the running statistics.
FusedNorm running_norm(const torch::nn::BatchNorm1dImpl& norm);

/// With the statistics of `count` rows; the running ones move towards them.
/// \param sums  [2, H] double, sums over the rows of z and z^2
FusedNorm batch_norm_of(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& sums, double count);

}  // namespace lorentznet
