#include "edge_case.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

namespace lorentznet::test {
namespace {

using torch::nn::Linear, torch::nn::LinearOptions;

std::vector<std::pair<std::string, at::Tensor>> named(const EdgeParameters& p) {
  std::vector<std::pair<std::string, at::Tensor>> tensors{
      {"phi_e.0.weight", p.edge_in->weight}, {"phi_e.1.weight", p.edge_norm->weight},
      {"phi_e.1.bias", p.edge_norm->bias},   {"phi_e.3.weight", p.edge_out->weight},
      {"phi_e.3.bias", p.edge_out->bias},    {"phi_m.0.weight", p.gate->weight},
      {"phi_m.0.bias", p.gate->bias}};
  if (!p.move_in.is_empty()) {
    tensors.emplace_back("phi_x.0.weight", p.move_in->weight);
    tensors.emplace_back("phi_x.0.bias", p.move_in->bias);
    tensors.emplace_back("phi_x.2.weight", p.move_out->weight);
  }
  return tensors;
}

/// |p| (1, direction): massless four-momenta.
at::Tensor random_momenta(std::int64_t count) {
  const auto p = at::randn({count, 3}, at::kDouble) * at::rand({count, 1}, at::kDouble) * 20;
  return at::cat({p.norm(2, {1}, true), p}, 1);
}

}  // namespace

EdgeCase random_edges(const std::vector<std::int64_t>& sizes, std::int64_t hidden, bool last_layer,
                      bool training, at::ScalarType type, double move) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  EdgeCase edges;
  auto& p = edges.parameters;
  p.edge_in = Linear(LinearOptions(2 * hidden + 2, hidden).bias(false));
  p.edge_norm = torch::nn::BatchNorm1d(hidden);
  p.edge_out = Linear(hidden, hidden);
  p.gate = Linear(hidden, 1);
  if (!last_layer) {
    p.move_in = Linear(hidden, hidden);
    p.move_out = Linear(LinearOptions(hidden, 1).bias(false));
    p.move_in->to(type);
    p.move_out->to(type);
    p.move_out->weight.mul_(move);
  }
  p.edge_norm->weight.uniform_(0.5, 1.5);
  p.edge_norm->bias.normal_();
  p.edge_norm->running_mean.normal_();
  p.edge_norm->running_var.uniform_(0.5, 2);
  p.edge_in->to(type);
  p.edge_out->to(type);
  p.gate->to(type);
  p.edge_norm->weight.set_data(p.edge_norm->weight.to(type));
  p.edge_norm->bias.set_data(p.edge_norm->bias.to(type));
  p.edge_norm->running_mean.set_data(p.edge_norm->running_mean.to(type));
  p.edge_norm->running_var.set_data(p.edge_norm->running_var.to(type));
  p.edge_norm->train(training);

  edges.offsets = {0};
  for (const auto n : sizes) edges.offsets.push_back(edges.offsets.back() + n);
  edges.h = at::randn({edges.offsets.back(), hidden}, type);
  edges.x = random_momenta(edges.offsets.back());
  return edges;
}

EdgeCase in_double(const EdgeCase& edges) {
  const bool last_layer = edges.parameters.move_in.is_empty();
  auto copy = random_edges({1}, edges.h.size(1), last_layer,
                           edges.parameters.edge_norm->is_training(), at::kDouble);
  const torch::NoGradGuard no_grad;
  const auto from = named(edges.parameters), to = named(copy.parameters);
  for (std::size_t k = 0; k < to.size(); ++k) to[k].second.set_data(from[k].second.to(at::kDouble));
  copy.parameters.edge_norm->running_mean.copy_(edges.parameters.edge_norm->running_mean);
  copy.parameters.edge_norm->running_var.copy_(edges.parameters.edge_norm->running_var);
  copy.h = edges.h.to(at::kDouble);
  copy.x = edges.x;
  copy.offsets = edges.offsets;
  return copy;
}

EdgeResult run(const EdgeKernel& kernel, const EdgeCase& edges) {
  const auto& p = edges.parameters;
  const auto mean = p.edge_norm->running_mean.clone(), variance = p.edge_norm->running_var.clone();
  const auto h = edges.h.clone().requires_grad_();
  const auto x = edges.x.clone().requires_grad_();
  const JetGraph graph(edges.offsets, at::kCPU);
  for (auto& [name, tensor] : named(p)) tensor.mutable_grad() = at::Tensor();
  const auto sums = kernel.forward(p, h, x, graph);

  torch::manual_seed(4);  // the same weights for float and double
  const auto weight = [](const at::Tensor& t) { return at::randn(t.sizes(), at::kDouble); };
  auto loss = (sums.message * weight(sums.message)).sum();
  if (sums.translation.defined()) {
    loss = loss + (sums.translation * weight(sums.translation)).sum();
  }
  loss.backward();

  EdgeResult result{
      .message = sums.message.detach(),
      .translation = sums.translation.defined() ? sums.translation.detach() : at::Tensor(),
      .h_gradient = h.grad(),
      .x_gradient = x.grad(),
      .gradients = {},
      .statistics = {{"running_mean", p.edge_norm->running_mean.clone()},
                     {"running_var", p.edge_norm->running_var.clone()}}};
  for (const auto& [name, tensor] : named(p)) result.gradients.emplace_back(name, tensor.grad());
  const torch::NoGradGuard no_grad;
  p.edge_norm->running_mean.copy_(mean);
  p.edge_norm->running_var.copy_(variance);
  return result;
}

}  // namespace lorentznet::test
