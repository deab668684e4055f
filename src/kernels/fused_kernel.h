#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "kernels/kernel.h"
#include "lorentznet/communicator.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// Why the fused kernels cannot compute a network of `n_hidden` channels on `device`; empty if they
/// can.
std::string why_not_fused(const at::Device& device, bool double_coordinates, std::int64_t n_hidden);

/// Bytes per layer that a forward pass keeps for the backward pass instead of having it compute
/// them again: enough for a batch of 32 top jets at the start of a training, when half of e is not
/// zero. Of a larger batch the other jets' edges are computed again. The results are the same.
inline constexpr std::int64_t kMostKeptOfEdges = 26 << 20, kMostKeptOfNodes = 4 << 20;

/// The edge part in one pass over the edges each way, on the CPU; of size edges x H only what is
/// not zero of e is stored. Coordinates are in double, the network in float, or with Isa::kPortable
/// in double too.
class FusedEdgeKernel final : public EdgeKernel {
 public:
  explicit FusedEdgeKernel(Isa isa, std::int64_t most_kept = kMostKeptOfEdges,
                           std::shared_ptr<const Communicator> ranks = single_process())
      : isa_(isa), most_kept_(most_kept), ranks_(std::move(ranks)) {}

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  Isa isa_;
  std::int64_t most_kept_;
  std::shared_ptr<const Communicator> ranks_;
};

/// The node part, whose results do not depend on the number of threads.
class FusedNodeKernel final : public NodeKernel {
 public:
  explicit FusedNodeKernel(Isa isa, std::int64_t most_kept = kMostKeptOfNodes,
                           std::shared_ptr<const Communicator> ranks = single_process())
      : isa_(isa), most_kept_(most_kept), ranks_(std::move(ranks)) {}

  at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                     const at::Tensor& message, const at::Tensor& scalars,
                     double padded_rows) const override;
  at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const override;

 private:
  Isa isa_;
  std::int64_t most_kept_;
  std::shared_ptr<const Communicator> ranks_;
};

LGEBKernels fused_kernels(Isa isa,
                          const std::shared_ptr<const Communicator>& ranks = single_process());

}  // namespace lorentznet
