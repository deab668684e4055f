#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "engine/cuda/cuda_training.h"
#include "lorentznet/batch.h"
#include "lorentznet/communicator.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

/// All of a network but its decoder, in training on a GPU by kernels of its own: one node of
/// autograd's graph.
class GpuTraining {
 public:
  /// \param network  whose parameters and running statistics these are, in float on the GPU
  GpuTraining(LorentzNetImpl& network, cuda::TrainingPrecision precision);

  /// The mean embeddings [J, H] of the batch's jets, with batch norm's statistics of all ranks.
  /// \throws InputError  as LorentzNetImpl::forward()
  at::Tensor pooled(const Batch& batch, const std::shared_ptr<const Communicator>& ranks) const;

 private:
  cuda::NetworkShape shape() const;
  std::vector<cuda::RunningOfLayer> running_statistics() const;

  LorentzNetOptions options_;
  cuda::TrainingPrecision precision_;
  std::vector<at::Tensor> parameters_;  ///< in the order of NetworkArrays
  std::vector<at::Tensor> running_;     ///< of each batch norm: mean, variance, number of batches
};

}  // namespace lorentznet
