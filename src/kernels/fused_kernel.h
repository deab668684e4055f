#pragma once

#include "lorentznet/edge_kernel.h"
#include "lorentznet/isa.h"
#include "lorentznet/node_kernel.h"

namespace lorentznet {

/// The edge part in one pass over the edges each way, on the CPU; nothing of size edges x H is
/// stored. The network in float, coordinates in double. With Isa::kPortable the network may be of
/// double too.
class FusedEdgeKernel final : public EdgeKernel {
 public:
  explicit FusedEdgeKernel(Isa isa) : isa_(isa) {}

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  Isa isa_;
};

/// The node part, with products and sums of which the bits don't depend on the number of threads.
class FusedNodeKernel final : public NodeKernel {
 public:
  explicit FusedNodeKernel(Isa isa) : isa_(isa) {}

  at::Tensor forward(const NodeParameters& parameters, const at::Tensor& h,
                     const at::Tensor& message, const at::Tensor& scalars,
                     double padded_rows) const override;
  at::Tensor linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const override;

 private:
  Isa isa_;
};

}  // namespace lorentznet
