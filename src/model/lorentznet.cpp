#include "lorentznet/lorentznet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/utils.h>

#include "engine/cuda/cuda_kernels.h"
#include "engine/engine_choice.h"
#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"
#include "model/check_batch.h"
#include "model/gpu_training.h"
#include "model/inference.h"
#include "model/lgeb.h"

namespace lorentznet {

LorentzNetImpl::LorentzNetImpl(const LorentzNetOptions& options) : options_(options) {
  use_plain_kernel();
  TORCH_CHECK(options.n_layers >= 1 && options.n_hidden >= 1, "a network of ", options.n_layers,
              " layers and ", options.n_hidden, " channels has no meaning");
  const auto hidden = options.n_hidden;
  embedding_ = register_module("embedding", torch::nn::Linear(options.n_scalar, hidden));
  register_module("LGEBs", blocks_);
  for (std::int64_t layer = 0; layer < options.n_layers; ++layer) {
    blocks_->push_back(LGEB(LGEBOptions{.n_hidden = hidden,
                                        .n_scalar = options.n_scalar,
                                        .c_weight = options.c_weight,
                                        .last_layer = layer + 1 == options.n_layers}));
  }
  decode_in_ = torch::nn::Linear(hidden, hidden);
  dropout_ = torch::nn::Dropout(options.dropout);
  decode_out_ = torch::nn::Linear(hidden, options.n_class);
  register_module("graph_dec",
                  torch::nn::Sequential(decode_in_, torch::nn::ReLU(), dropout_, decode_out_));
}

at::Tensor LorentzNetImpl::forward(const Batch& batch) {
  if (inference_ != nullptr && !is_training() && !at::GradMode::is_enabled()) {
    return inference_->logits(batch);
  }
  if (gpu_training_ != nullptr && is_training()) {
    return gpu_training_->logits(batch, ranks_);
  }
  return forward(batch, *kernels_);
}

at::Tensor LorentzNetImpl::forward(const Batch& batch, const LGEBKernels& kernels) {
  const JetGraph graph(batch.offsets, embedding_->weight.device());
  const auto h = states(batch, graph, kernels).back().h;
  return decode(pool(h, batch, graph), kernels);
}

at::Tensor LorentzNetImpl::decode(const at::Tensor& pooled, const LGEBKernels& kernels) {
  const auto& nodes = *kernels.nodes;
  const auto hidden = dropout_->forward(at::relu(nodes.linear(*decode_in_.ptr(), pooled)));
  return nodes.linear(*decode_out_.ptr(), hidden);
}

void LorentzNetImpl::make_kernels() {
  kernels_ = std::make_shared<const LGEBKernels>(fused_ ? fused_kernels(*fused_, ranks_)
                                                        : plain_kernels(ranks_));
}

void LorentzNetImpl::share_statistics(std::shared_ptr<const Communicator> ranks) {
  ranks_ = std::move(ranks);
  make_kernels();
}

void LorentzNetImpl::use_plain_kernel() {
  fused_ = std::nullopt;
  make_kernels();
  kernel_name_ = "plain";
  inference_ = nullptr;
  gpu_training_ = nullptr;
}

void LorentzNetImpl::use_fused_kernel(Isa isa) {
  const auto obstacle = why_not_fused(
      embedding_->weight.device(), options_.coordinates == Coordinates::kDouble, options_.n_hidden);
  TORCH_CHECK(obstacle.empty(), "the fused kernel cannot be used: ", obstacle);
  engine_of<float>(isa);  // throws if this processor has none
  fused_ = isa;
  make_kernels();
  kernel_name_ = "fused " + std::string(lorentznet::name(isa));
  inference_ = std::make_shared<CpuInference>(named_tensors(*this), options_.c_weight, isa);
}

std::string why_no_gpu_kernel(const LorentzNetOptions& options) {
  if (options.coordinates != Coordinates::kDouble) return "coordinates in float";
  const auto hidden = static_cast<int>(options.n_hidden);
  const auto scalars = static_cast<int>(options.n_scalar);
  return cuda::why_no_kernels(hidden, scalars);
}

void LorentzNetImpl::use_gpu_kernel(GpuPrecision precision) {
  const auto obstacle = why_no_gpu_kernel(options_);
  TORCH_CHECK(obstacle.empty(), "the CUDA kernels cannot be used: ", obstacle);
  TORCH_CHECK(!embedding_->weight.is_cpu() && embedding_->weight.scalar_type() == at::kFloat,
              "the CUDA kernels compute on a GPU in float, the network is on ",
              embedding_->weight.device(), " in ", embedding_->weight.scalar_type());
  use_plain_kernel();  // for what is neither training nor inference
  kernel_name_ = precision == GpuPrecision::kHalf ? "fused CUDA, half" : "fused CUDA";
  inference_ = std::make_shared<GpuInference>(named_tensors(*this), options_, precision);
  gpu_training_ = std::make_shared<GpuTraining>(named_tensors(*this), options_, precision);
}

std::vector<LGEBState> LorentzNetImpl::states(const Batch& batch, const JetGraph& graph,
                                              const LGEBKernels& kernels) {
  check_batch(batch, options_.n_scalar, embedding_->weight.device());
  const auto type = embedding_->weight.scalar_type();
  auto scalars = batch.scalars.to(type);
  // Padding enters the statistics of training only.
  const auto padded_rows = is_training() ? static_cast<double>(batch.padded_rows) : 0;
  if (padded_rows > 0) {
    scalars = at::cat({scalars, at::zeros({1, options_.n_scalar}, scalars.options())});
  }
  const bool in_double = options_.coordinates == Coordinates::kDouble;
  std::vector<LGEBState> states;
  states.push_back({.h = kernels.nodes->linear(*embedding_.ptr(), scalars),
                    .x = batch.p4.to(in_double ? at::kDouble : type)});
  for (const auto& block : *blocks_) {
    states.push_back(
        block->as<LGEBImpl>()->forward(states.back(), scalars, graph, kernels, padded_rows));
  }
  return states;
}

at::Tensor LorentzNetImpl::pool(const at::Tensor& h, const Batch& batch,
                                const JetGraph& graph) const {
  const auto nodes = h.narrow(0, 0, graph.num_nodes());
  return sum_rows(nodes, graph.jets()) / batch.n_nodes.to(h.dtype());
}

void LorentzNetImpl::set_type(at::ScalarType type) {
  for (auto& tensor : parameters()) tensor.set_data(tensor.to(type));
  for (auto& tensor : buffers()) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(type));
  }
}

std::int64_t LorentzNetImpl::num_parameters() const {
  std::int64_t count = 0;
  for (const auto& parameter : parameters()) count += parameter.numel();
  return count;
}

}  // namespace lorentznet
