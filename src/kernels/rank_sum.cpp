#include "kernels/rank_sum.h"

#include <ATen/ops/tensor.h>
#include <torch/autograd.h>

#include "kernels/fused_autograd.h"

namespace lorentznet {
namespace {

class RankSum {
 public:
  explicit RankSum(std::shared_ptr<const Communicator> ranks) : ranks_(std::move(ranks)) {}

  at::Tensor of(const at::Tensor& tensor) const {
    auto sum = tensor.detach().clone(at::MemoryFormat::Contiguous);
    ranks_->sum(sum);
    return sum;
  }
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const {
    return {of(gradients[0])};
  }

 private:
  std::shared_ptr<const Communicator> ranks_;
};

}  // namespace

double sum_over_ranks(const Communicator& ranks, double value) {
  if (ranks.size() == 1) return value;
  const auto sum = at::tensor({value}, at::kDouble);
  ranks.sum(sum);
  return sum.item<double>();
}

at::Tensor sum_over_ranks(const std::shared_ptr<const Communicator>& ranks,
                          const at::Tensor& tensor) {
  if (ranks->size() == 1) return tensor;
  auto part = std::make_unique<RankSum>(ranks);
  auto sum = part->of(tensor);
  if (torch::autograd::compute_requires_grad(tensor)) {
    set_backward<RankSum>(std::move(part), {tensor}, {sum});
  }
  return sum;
}

}  // namespace lorentznet
