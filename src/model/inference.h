#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "engine/cuda/cuda_inference.h"
#include "lorentznet/batch.h"
#include "model/model_state.h"
#include "tagger/network.h"

namespace lorentznet {

/// Inference by kernels of the whole network. Safe in several threads.
class FusedInference {
 public:
  virtual ~FusedInference() = default;
  /// Logits [J, classes] of the batch's jets, in the network's type.
  /// \throws InputError  as LorentzNetImpl::forward()
  virtual at::Tensor logits(const Batch& batch) = 0;
};

/// Notices when a network's tensors change.
class TensorVersions {
 public:
  /// Calls update() if the tensors may have changed since the last update that has succeeded.
  void update_if_changed(const NamedTensors& tensors, const std::function<void()>& update);

 private:
  struct Version {
    const void* data;
    std::int64_t version;
    bool operator==(const Version&) const = default;
  };
  std::vector<Version> versions_;  ///< of the last update; empty: none, or unknown
};

/// On the CPU: each jet passes through the whole network at once, in one thread.
class CpuInference final : public FusedInference {
 public:
  /// \param tensors  of the network, by named_tensors()
  CpuInference(NamedTensors tensors, double c_weight, Isa isa);
  at::Tensor logits(const Batch& batch) override;

 private:
  using Packed = std::variant<Network<float>, Network<double>>;

  /// The network of the tensors as they are now.
  std::shared_ptr<const Packed> packed();

  NamedTensors tensors_;
  double c_weight_;
  Isa isa_;
  std::mutex mutex_;
  TensorVersions versions_;
  std::shared_ptr<const Packed> packed_;  ///< of the tensors that have these versions
};

/// On a GPU, batch by batch, in float.
class GpuInference final : public FusedInference {
 public:
  /// \param tensors  of the network, by named_tensors(), on the GPU
  GpuInference(NamedTensors tensors, const LorentzNetOptions& options, GpuPrecision precision);
  at::Tensor logits(const Batch& batch) override;

 private:
  NamedTensors tensors_;
  LorentzNetOptions options_;
  GpuPrecision precision_;
  std::mutex mutex_;
  TensorVersions versions_;
  std::unique_ptr<cuda::Inference> network_;
};

}  // namespace lorentznet
