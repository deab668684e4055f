#include "train/adamw.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace lorentznet {
namespace {

using AdamWState = torch::optim::AdamWParamState;

/// Parameters that have had the same number of steps.
struct SameAge {
  std::vector<at::Tensor> parameters, gradients, means, squares;
};

AdamWState& state_of(torch::optim::AdamW& optimizer, const at::Tensor& parameter) {
  auto& state = optimizer.state()[parameter.unsafeGetTensorImpl()];
  if (state == nullptr) {
    auto fresh = std::make_unique<AdamWState>();
    fresh->exp_avg(at::zeros_like(parameter));
    fresh->exp_avg_sq(at::zeros_like(parameter));
    state = std::move(fresh);
  }
  return static_cast<AdamWState&>(*state);
}

}  // namespace

void take_step(torch::optim::AdamW& optimizer, const at::Tensor& spoiled) {
  auto& group = optimizer.param_groups().front();
  if (group.params().front().is_cpu()) {
    optimizer.step();
    return;
  }
  const torch::NoGradGuard no_grad;
  std::map<std::int64_t, SameAge> by_step;
  for (const auto& parameter : group.params()) {
    if (!parameter.grad().defined()) continue;  // batch norm's, in a batch without edges
    auto& state = state_of(optimizer, parameter);
    state.step(state.step() + 1);
    auto& [parameters, gradients, means, squares] = by_step[state.step()];
    parameters.push_back(parameter);
    gradients.push_back(parameter.grad());
    means.push_back(state.exp_avg());
    squares.push_back(state.exp_avg_sq());
  }
  const auto& options = static_cast<const torch::optim::AdamWOptions&>(group.options());
  for (auto& [step, same] : by_step) {
    const auto steps = at::full({}, static_cast<double>(step),
                                same.parameters.front().options().dtype(at::kFloat));
    at::_fused_adamw_(same.parameters, same.gradients, same.means, same.squares, {},
                      std::vector<at::Tensor>(same.parameters.size(), steps), options.lr(),
                      std::get<0>(options.betas()), std::get<1>(options.betas()),
                      options.weight_decay(), options.eps(), /*amsgrad=*/false, /*maximize=*/false,
                      /*grad_scale=*/{}, spoiled.defined() ? std::optional(spoiled) : std::nullopt);
  }
}

}  // namespace lorentznet
