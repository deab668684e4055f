#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "engine/cuda/cuda_training.h"
#include "lorentznet/batch.h"
#include "lorentznet/communicator.h"
#include "model/model_state.h"

namespace lorentznet {

/// A network in training on a GPU by kernels of its own: one node of autograd's graph.
class GpuTraining {
 public:
  /// \param tensors  of the network, by named_tensors(), in float on the GPU
  GpuTraining(const NamedTensors& tensors, const LorentzNetOptions& options,
              GpuPrecision precision);

  /// The logits [J, K] of the batch's jets, with batch norm's statistics of all ranks.
  /// \throws InputError  as LorentzNetImpl::forward()
  at::Tensor logits(const Batch& batch, const std::shared_ptr<const Communicator>& ranks) const;

 private:
  cuda::NetworkShape shape() const;
  at::Tensor drawn_by_dropout(std::int64_t jets) const;
  std::vector<cuda::RunningOfLayer> running_statistics() const;

  LorentzNetOptions options_;
  GpuPrecision precision_;
  std::vector<at::Tensor> parameters_;  ///< in the order of NetworkArrays
  std::vector<at::Tensor> running_;     ///< of each batch norm: mean, variance, number of batches
};

/// Whether they are GpuTraining::logits(), with their graph.
bool is_of_gpu_training(const at::Tensor& logits);

/// The loss of logits, in one kernel, with what else is known of it.
struct GpuScores {
  at::Tensor loss;      ///< scalar float, without a graph: it goes on at `gradient`
  at::Tensor spoiled;   ///< scalar float: 1 if the loss is not finite, else 0
  at::Tensor figures;   ///< as a BatchResult's
  at::Tensor gradient;  ///< [J, K] dL/dlogits
};
/// \param logits  of GpuTraining
GpuScores score_on_gpu(const at::Tensor& logits, const Batch& batch);

}  // namespace lorentznet
