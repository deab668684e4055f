#include "kernels/fused_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

namespace lorentznet {
namespace {

/// \param mean, variance  [H] double
FusedNorm make_norm(const torch::nn::BatchNorm1dImpl& norm, bool of_batch, const at::Tensor& mean,
                    const at::Tensor& variance) {
  const auto inverse_sigma = (variance + norm.options.eps()).rsqrt();
  const auto scale = norm.weight.detach() * inverse_sigma;
  const auto type = norm.weight.scalar_type();
  const auto values = [](const at::Tensor& tensor) {
    const auto* data = tensor.const_data_ptr<double>();
    return std::vector<double>(data, data + tensor.numel());
  };
  return {.of_batch = of_batch,
          .mean = values(mean.contiguous()),
          .inverse_sigma = values(inverse_sigma),
          .scale = scale.to(type),
          .shift = (norm.bias.detach() - mean * scale).to(type)};
}

}  // namespace

at::Tensor FusedNorm::over_ranks(const at::Tensor& sums) const {
  if (!of_batch || ranks->size() == 1) return sums;
  auto all = sums.clone();
  ranks->sum(all);
  return all;
}

FusedNorm running_norm(const torch::nn::BatchNorm1dImpl& norm) {
  return make_norm(norm, false, norm.running_mean.to(at::kDouble),
                   norm.running_var.to(at::kDouble));
}

FusedNorm batch_norm_of(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& local_sums,
                        double local_count, const std::shared_ptr<const Communicator>& ranks) {
  auto sums = local_sums;
  double count = local_count;
  if (ranks->size() > 1) {
    const auto all = at::cat({local_sums, at::full({1, local_sums.size(1)}, count, at::kDouble)});
    ranks->sum(all);
    sums = all.narrow(0, 0, 2);
    count = all[2][0].item<double>();
  }
  if (count == 0) return running_norm(norm);
  const auto mean = sums[0] / count;
  const auto variance = (sums[1] / count - mean * mean).clamp_min(0);
  if (count > 1) {  // the variance of a single row is not known
    const double momentum = norm.options.momentum().value();
    norm.running_mean.mul_(1 - momentum).add_(mean, momentum);
    norm.running_var.mul_(1 - momentum).add_(variance, momentum * (count / (count - 1)));
    norm.num_batches_tracked.add_(1);
  }
  auto result = make_norm(norm, true, mean, variance);
  result.count = count;
  result.ranks = ranks;
  return result;
}

}  // namespace lorentznet
