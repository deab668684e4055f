#include "lorentznet/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/ones.h>
#include <torch/autograd.h>

#include "kernels/rank_sum.h"

namespace lorentznet {
namespace {

using Ranks = std::shared_ptr<const Communicator>;

/// running <- (1 - momentum) running + momentum * value of this batch.
void move_towards(at::Tensor& running, const at::Tensor& value, double momentum) {
  running.mul_(1 - momentum).add_(value.detach(), momentum);
}

/// Training mode, with statistics of all ranks' rows. weight: [N, 1]
at::Tensor weighted_norm(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                         const at::Tensor& weight, double local_count, const Ranks& ranks) {
  const double count = sum_figures(*ranks, {local_count})[0];
  if (count == 0) return rows;
  const auto mean = sum_over_ranks(ranks, (weight * rows).sum(0)) / count;
  const auto centred = rows - mean;
  const auto variance = sum_over_ranks(ranks, (weight * centred * centred).sum(0)) / count;
  {
    const torch::NoGradGuard no_grad;
    const double momentum = norm.options.momentum().value();
    move_towards(norm.running_mean, mean, momentum);
    move_towards(norm.running_var, variance * (count / (count - 1)), momentum);
    norm.num_batches_tracked.add_(1);
  }
  return centred * (variance + norm.options.eps()).rsqrt() * norm.weight + norm.bias;
}

}  // namespace

at::Tensor batch_norm(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                      const Ranks& ranks) {
  const bool training = norm.is_training();
  if (training && ranks->size() > 1) {
    const auto count = static_cast<double>(rows.size(0));
    return weighted_norm(norm, rows, at::ones({rows.size(0), 1}, rows.options()), count, ranks);
  }
  if (rows.size(0) == 0) return rows;
  if (training) norm.num_batches_tracked.add_(1);
  return at::batch_norm(rows, norm.weight, norm.bias, norm.running_mean, norm.running_var, training,
                        norm.options.momentum().value(), norm.options.eps(),
                        /*cudnn_enabled=*/false);
}

at::Tensor batch_norm_with_ghost(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                                 double last_row_weight, const Ranks& ranks) {
  TORCH_CHECK(norm.is_training(), "ghost rows matter for the statistics of training only");
  TORCH_CHECK(last_row_weight > 0, "weight of the ghost row is ", last_row_weight);
  auto weight = at::ones({rows.size(0), 1}, rows.options());
  weight.narrow(0, -1, 1).fill_(last_row_weight);
  const double count = static_cast<double>(rows.size(0) - 1) + last_row_weight;
  return weighted_norm(norm, rows, weight, count, ranks);
}

}  // namespace lorentznet
