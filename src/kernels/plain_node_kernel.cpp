#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include "lorentznet/batch_norm.h"
#include "lorentznet/node_kernel.h"

namespace lorentznet {

at::Tensor PlainNodeKernel::forward(const NodeParameters& parameters, const at::Tensor& h,
                                    const at::Tensor& message, const at::Tensor& scalars,
                                    double padded_rows) const {
  auto received = message;
  if (padded_rows > 0) {  // no edge leads to the ghost
    received = at::cat({message, at::zeros({1, message.size(1)}, message.options())});
  }
  auto& norm = *parameters.node_norm.ptr();
  const auto z = parameters.node_in.ptr()->forward(at::cat({h, received, scalars}, 1));
  const auto normed = padded_rows > 0 ? batch_norm_with_ghost(norm, z, padded_rows, ranks_)
                                      : batch_norm(norm, z, ranks_);
  return h + parameters.node_out.ptr()->forward(at::relu(normed));
}

at::Tensor PlainNodeKernel::linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const {
  return layer.forward(rows);
}

}  // namespace lorentznet
