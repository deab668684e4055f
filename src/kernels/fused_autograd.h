#pragma once

#include <ATen/core/Tensor.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/utils.h>

#include <memory>
#include <utility>
#include <vector>

namespace lorentznet {

/// A part of the fused kernel in autograd's graph: Part::backward gives the gradients of the
/// arguments out of those of the results.
template <typename Part>
class FusedBackward final : public torch::autograd::Node {
 public:
  explicit FusedBackward(std::unique_ptr<const Part> part) : part_(std::move(part)) {}

  std::vector<at::Tensor> apply(std::vector<at::Tensor>&& gradients) override {
    TORCH_CHECK(part_ != nullptr, "a second backward pass through the fused kernel");
    const torch::NoGradGuard no_grad;
    auto result = part_->backward(gradients);
    part_.reset();  // as all that autograd keeps, it goes as soon as it has been used
    return result;
  }
  std::string name() const override { return "FusedBackward"; }

 private:
  std::unique_ptr<const Part> part_;
};

/// Makes `results`, which `part` computed from `arguments`, part of autograd's graph.
template <typename Part>
void set_backward(std::unique_ptr<const Part> part, const std::vector<at::Tensor>& arguments,
                  const std::vector<at::Tensor>& results) {
  const auto node = std::make_shared<FusedBackward<Part>>(std::move(part));
  node->set_next_edges(torch::autograd::collect_next_edges(arguments));
  for (const auto& tensor : results) torch::autograd::set_history(tensor, node);
}

/// forward(part, whether a backward pass can follow): its results, as part of autograd's graph
/// where one can.
template <typename Part, typename Forward>
std::vector<at::Tensor> run_part(std::unique_ptr<Part> part,
                                 const std::vector<at::Tensor>& arguments, Forward forward) {
  const bool keep = torch::autograd::compute_requires_grad(arguments);
  std::vector<at::Tensor> results;
  {
    const torch::NoGradGuard no_grad;
    results = forward(*part, keep);
  }
  if (keep) set_backward<Part>(std::move(part), arguments, results);
  return results;
}

/// The tensors' values, outside autograd's graph and with rows one after the other; undefined ones
/// stay so.
inline std::vector<at::Tensor> detached(std::vector<at::Tensor> tensors) {
  for (auto& tensor : tensors) {
    if (tensor.defined()) tensor = tensor.detach().contiguous();
  }
  return tensors;
}

}  // namespace lorentznet
