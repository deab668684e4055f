#include "kernels/fused_edge_kernel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tensor.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "kernels/fused_batch.h"

namespace lorentznet {
namespace {

template <typename T>
const fused::EdgeEngine<T>& engine(Isa isa) {
  if constexpr (std::is_same_v<T, double>) {
    TORCH_CHECK(isa == Isa::kPortable,
                "the fused kernel takes a network of double on the portable "
                "instruction set only, not on ",
                name(isa));
    return fused::portable_engine_of_double();
  } else {
    if (isa == Isa::kAvx512) return fused::avx512_engine();
    if (isa == Isa::kAvx2) return fused::avx2_engine();
    return fused::portable_engine();
  }
}

/// Batch norm's statistics for a batch: its own in training, which move the running ones.
template <typename T>
EdgeNorm make_norm(torch::nn::BatchNorm1dImpl& norm, const FusedBatch<T>& batch) {
  auto mean = norm.running_mean.to(at::kDouble), variance = norm.running_var.to(at::kDouble);
  const bool of_batch = norm.is_training() && batch.num_edges() > 0;
  if (of_batch) {
    const auto count = static_cast<double>(batch.num_edges());
    const auto sums = batch.statistics() / count;
    mean = sums[0];
    variance = (sums[1] - mean * mean).clamp_min(0);
    const double momentum = norm.options.momentum().value();
    norm.running_mean.mul_(1 - momentum).add_(mean, momentum);
    norm.running_var.mul_(1 - momentum).add_(variance, momentum * (count / (count - 1)));
    norm.num_batches_tracked.add_(1);
  }
  const auto inverse_sigma = (variance + norm.options.eps()).rsqrt();
  const auto scale = norm.weight.detach() * inverse_sigma;
  const auto type = norm.weight.scalar_type();
  const auto values = [](const at::Tensor& t) {
    return std::vector<double>(t.const_data_ptr<double>(), t.const_data_ptr<double>() + t.numel());
  };
  return {.of_batch = of_batch,
          .mean = values(mean.contiguous()),
          .inverse_sigma = values(inverse_sigma),
          .scale = scale.to(type),
          .shift = (norm.bias.detach() - mean * scale).to(type)};
}

/// The backward pass in autograd's graph.
template <typename T>
class FusedEdgesBackward final : public torch::autograd::Node {
 public:
  explicit FusedEdgesBackward(std::unique_ptr<const FusedBatch<T>> batch)
      : batch_(std::move(batch)) {}

  std::vector<at::Tensor> apply(std::vector<at::Tensor>&& gradients) override {
    TORCH_CHECK(batch_ != nullptr, "a second backward pass through the fused kernel");
    auto result = batch_->backward(gradients);
    batch_.reset();  // as all that autograd keeps, it goes as soon as it has been used
    return result;
  }
  std::string name() const override { return "FusedEdgesBackward"; }

 private:
  std::unique_ptr<const FusedBatch<T>> batch_;
};

template <typename T>
std::vector<at::Tensor> run(const fused::EdgeEngine<T>& engine, const JetGraph& graph,
                            const std::vector<at::Tensor>& arguments,
                            torch::nn::BatchNorm1dImpl& norm) {
  const bool keep = torch::autograd::compute_requires_grad(arguments);
  auto batch = std::make_unique<FusedBatch<T>>(engine, graph.offsets(), arguments);
  std::vector<at::Tensor> sums;
  {
    const torch::NoGradGuard no_grad;
    batch->set_norm(make_norm(norm, *batch));
    sums = batch->forward(keep);
  }
  if (keep) {
    const auto node = std::make_shared<FusedEdgesBackward<T>>(std::move(batch));
    node->set_next_edges(torch::autograd::collect_next_edges(arguments));
    for (const auto& tensor : sums) torch::autograd::set_history(tensor, node);
  }
  return sums;
}

}  // namespace

FusedEdgeKernel::FusedEdgeKernel(Isa isa) : isa_(isa) {
  TORCH_CHECK(runs_here(isa), "this processor does not run ", name(isa));
}

EdgeSums FusedEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  TORCH_CHECK(h.is_cpu() && x.scalar_type() == at::kDouble,
              "the fused kernel takes coordinates in double on the CPU, not ", x.toString());
  const auto& weight = parameters.edge_in->weight;
  const auto hidden = h.size(1);
  const auto both = at::cat({weight.narrow(1, 0, hidden), weight.narrow(1, hidden, hidden)});
  std::vector<at::Tensor> arguments{at::linear(h, both),          x,
                                    weight.select(1, 2 * hidden), weight.select(1, 2 * hidden + 1),
                                    parameters.edge_norm->weight, parameters.edge_norm->bias,
                                    parameters.edge_out->weight,  parameters.edge_out->bias,
                                    parameters.gate->weight,      parameters.gate->bias};
  if (!parameters.move_in.is_empty()) {
    arguments.insert(arguments.end(), {parameters.move_in->weight, parameters.move_in->bias,
                                       parameters.move_out->weight});
  }
  auto& norm = *parameters.edge_norm.ptr();
  const auto sums = h.scalar_type() == at::kDouble
                        ? run(engine<double>(isa_), graph, arguments, norm)
                        : run(engine<float>(isa_), graph, arguments, norm);
  return {.message = sums[0], .translation = sums.size() > 1 ? sums[1] : at::Tensor()};
}

}  // namespace lorentznet
