#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/kernel.h"
#include "lorentznet/batch.h"
#include "lorentznet/isa.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

/// The parts of a network that inference needs.
struct NetworkParts {
  torch::nn::Linear embedding, decode_in, decode_out;
  std::vector<LGEB> blocks;
  double c_weight;
};

/// Inference by the fused kernel: each jet goes through the whole network at once, in one thread.
class FusedNetwork {
 public:
  virtual ~FusedNetwork() = default;
  /// Logits [J, n_class] of the batch's jets.
  virtual at::Tensor forward(const Batch& batch) const = 0;
};

/// The network's weights in the order of the products, batch norms folded in.
std::unique_ptr<const FusedNetwork> pack_network(const NetworkParts& parts, Isa isa,
                                                 Precision precision);

/// The packed form of a network, packed anew when a weight has changed. Safe in several threads.
class PackedNetworkCache {
 public:
  /// \param tensors  parameters and buffers of the network
  PackedNetworkCache(NetworkParts parts, std::vector<at::Tensor> tensors, Isa isa,
                     Precision precision);

  std::shared_ptr<const FusedNetwork> get();

 private:
  struct State {
    const void* data;
    std::int64_t version;
    bool operator==(const State&) const = default;
  };

  NetworkParts parts_;
  std::vector<at::Tensor> tensors_;
  Isa isa_;
  Precision precision_;
  std::mutex mutex_;
  std::vector<State> packed_state_;
  std::shared_ptr<const FusedNetwork> packed_;
};

}  // namespace lorentznet
