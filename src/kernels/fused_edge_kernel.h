#pragma once

#include "lorentznet/edge_kernel.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// The edge part in one pass over the edges each way, on the CPU; nothing of size edges x H is
/// stored. The network in float, coordinates in double. With Isa::kPortable the network may be of
/// double too.
class FusedEdgeKernel final : public EdgeKernel {
 public:
  /// \throws c10::Error if `isa` does not run here
  explicit FusedEdgeKernel(Isa isa);

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  Isa isa_;
};

}  // namespace lorentznet
