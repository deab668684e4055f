#include <torch/utils.h>

#include "kernels/engine_choice.h"
#include "kernels/fused_autograd.h"
#include "kernels/fused_kernel.h"
#include "kernels/fused_nodes.h"

namespace lorentznet {
namespace {

template <typename T>
at::Tensor run(const fused::Engine<T>& engine, const std::vector<at::Tensor>& arguments,
               torch::nn::BatchNorm1dImpl& norm, double padded_rows) {
  const bool keep = torch::autograd::compute_requires_grad(arguments);
  auto nodes = std::make_unique<FusedNodes<T>>(engine, arguments, padded_rows);
  at::Tensor result;
  {
    const torch::NoGradGuard no_grad;
    result = nodes->forward(norm, keep);
  }
  if (keep) set_backward<FusedNodes<T>>(std::move(nodes), arguments, {result});
  return result;
}

}  // namespace

at::Tensor FusedNodeKernel::forward(const NodeParameters& parameters, const at::Tensor& h,
                                    const at::Tensor& message, const at::Tensor& scalars,
                                    double padded_rows) const {
  TORCH_CHECK(!scalars.requires_grad(), "the fused kernel gives no gradient of the scalars");
  const std::vector<at::Tensor> arguments{h,
                                          message,
                                          scalars,
                                          parameters.node_in->weight,
                                          parameters.node_in->bias,
                                          parameters.node_norm->weight,
                                          parameters.node_norm->bias,
                                          parameters.node_out->weight,
                                          parameters.node_out->bias};
  auto& norm = *parameters.node_norm.ptr();
  if (h.scalar_type() == at::kDouble) {
    return run(engine_of<double>(isa_), arguments, norm, padded_rows);
  }
  return run(engine_of<float>(isa_), arguments, norm, padded_rows);
}

}  // namespace lorentznet
