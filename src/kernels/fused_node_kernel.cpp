#include <ATen/ops/constant_pad_nd.h>
#include <torch/utils.h>

#include <algorithm>

#include "kernels/engine_choice.h"
#include "kernels/fused_autograd.h"
#include "kernels/fused_kernel.h"
#include "kernels/fused_linear.h"
#include "kernels/fused_nodes.h"

namespace lorentznet {
namespace {

template <typename T>
at::Tensor run(const fused::Engine<T>& engine, const std::vector<at::Tensor>& arguments,
               torch::nn::BatchNorm1dImpl& norm, double padded_rows, std::int64_t most_kept,
               const std::shared_ptr<const Communicator>& ranks) {
  return run_part(std::make_unique<FusedNodes<T>>(engine, arguments, padded_rows), arguments,
                  [&](FusedNodes<T>& nodes, bool keep) -> std::vector<at::Tensor> {
                    return {nodes.forward(norm, keep ? most_kept : 0, ranks)};
                  })[0];
}

template <typename T>
at::Tensor run_linear(const fused::Engine<T>& engine, const std::vector<at::Tensor>& arguments) {
  auto linear =
      std::make_unique<FusedLinear<T>>(engine, arguments, arguments[kRows].requires_grad());
  return run_part(
      std::move(linear), arguments,
      [](FusedLinear<T>& part, bool) -> std::vector<at::Tensor> { return {part.forward()}; })[0];
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
    return run(engine_of<double>(isa_), arguments, norm, padded_rows, most_kept_, ranks_);
  }
  return run(engine_of<float>(isa_), arguments, norm, padded_rows, most_kept_, ranks_);
}

at::Tensor FusedNodeKernel::linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const {
  constexpr std::int64_t kFewest = 8;  // that the engine's products have
  const auto outputs = layer.weight.size(0);
  const auto missing = std::max<std::int64_t>(0, kFewest - outputs);
  TORCH_CHECK(!rows.requires_grad() || rows.size(1) >= kFewest,
              "the fused kernel gives no gradient of fewer than ", kFewest, " inputs");
  const std::vector<at::Tensor> arguments{rows,
                                          at::constant_pad_nd(layer.weight, {0, 0, 0, missing}),
                                          at::constant_pad_nd(layer.bias, {0, missing})};
  const auto result = rows.scalar_type() == at::kDouble
                          ? run_linear(engine_of<double>(isa_), arguments)
                          : run_linear(engine_of<float>(isa_), arguments);
  return result.narrow(1, 0, outputs);
}

}  // namespace lorentznet
