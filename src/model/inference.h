#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "lorentznet/batch.h"
#include "model/model_state.h"
#include "tagger/network.h"

namespace lorentznet {

/// Inference by the fused kernel: each jet passes through the whole network at once, in one thread.
/// Safe in several threads.
class FusedInference {
 public:
  /// \param tensors  of the network, by named_tensors()
  FusedInference(NamedTensors tensors, double c_weight, Isa isa);

  /// Logits [J, classes] of the batch's jets, in the network's type.
  /// \throws InputError  as LorentzNetImpl::forward()
  at::Tensor logits(const Batch& batch);

 private:
  using Packed = std::variant<Network<float>, Network<double>>;

  /// What changes when a tensor changes.
  struct Version {
    const void* data;
    std::int64_t version;
    bool operator==(const Version&) const = default;
  };

  /// The network of the tensors as they are now.
  std::shared_ptr<const Packed> packed();

  NamedTensors tensors_;
  double c_weight_;
  Isa isa_;
  std::mutex mutex_;
  std::vector<Version> versions_;  ///< of the tensors that packed_ was made from
  std::shared_ptr<const Packed> packed_;
};

}  // namespace lorentznet
