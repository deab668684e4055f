#include "edge_case.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

namespace lorentznet::test {
namespace {

using torch::nn::Linear, torch::nn::LinearOptions;

EdgeParameters make_parameters(std::int64_t hidden, bool last_layer, at::ScalarType type) {
  EdgeParameters p;
  p.edge_in = Linear(LinearOptions(2 * hidden + 2, hidden).bias(false));
  p.edge_norm = torch::nn::BatchNorm1d(hidden);
  p.edge_out = Linear(hidden, hidden);
  p.gate = Linear(hidden, 1);
  if (!last_layer) {
    p.move_in = Linear(hidden, hidden);
    p.move_out = Linear(LinearOptions(hidden, 1).bias(false));
  }
  for (auto& [name, tensor] : named_parameters(p)) tensor.set_data(tensor.to(type));
  for (auto* tensor : {&p.edge_norm->running_mean, &p.edge_norm->running_var}) {
    tensor->set_data(tensor->to(type));
  }
  return p;
}

/// |p| (1, direction): massless four-momenta.
at::Tensor random_momenta(std::int64_t count) {
  const auto p = at::randn({count, 3}, at::kDouble) * at::rand({count, 1}, at::kDouble) * 20;
  return at::cat({p.norm(2, {1}, true), p}, 1);
}

}  // namespace

NamedTensors named_parameters(const EdgeParameters& p) {
  NamedTensors tensors{
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

EdgeCase random_edges(const EdgeCaseOptions& options, at::ScalarType type) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(options.seed);
  EdgeCase edges;
  edges.parameters = make_parameters(options.hidden, options.last_layer, type);
  auto& p = edges.parameters;
  if (!options.last_layer) p.move_out->weight.mul_(options.move);
  p.edge_norm->weight.uniform_(0.5, 1.5);
  p.edge_norm->bias.normal_();
  p.edge_norm->running_mean.normal_();
  p.edge_norm->running_var.uniform_(0.5, 2);
  p.edge_norm->train(options.training);

  edges.offsets = {0};
  for (const auto n : options.sizes) edges.offsets.push_back(edges.offsets.back() + n);
  const auto constituents = edges.offsets.back();
  edges.h = at::randn({constituents, options.hidden}, type);
  edges.x = random_momenta(constituents);
  edges.message_pull = at::randn({constituents, options.hidden}, at::kDouble);
  edges.translation_pull = at::randn({constituents, 4}, at::kDouble);
  return edges;
}

EdgeCase in_double(const EdgeCase& edges) {
  const torch::NoGradGuard no_grad;
  auto copy = edges;
  const auto& from = edges.parameters;
  auto& to = copy.parameters;
  to = make_parameters(edges.h.size(1), from.move_in.is_empty(), at::kDouble);
  copy_values(named_parameters(from), from.edge_norm, named_parameters(to), to.edge_norm);
  copy.h = edges.h.to(at::kDouble);
  return copy;
}

NamedTensors run(const EdgeKernel& kernel, const EdgeCase& edges) {
  const auto& p = edges.parameters;
  const auto mean = p.edge_norm->running_mean.clone(), variance = p.edge_norm->running_var.clone();
  const auto h = edges.h.clone().requires_grad_();
  const auto x = edges.x.clone().requires_grad_();
  for (auto& [name, tensor] : named_parameters(p)) tensor.mutable_grad() = at::Tensor();
  const auto sums = kernel.forward(p, h, x, JetGraph(edges.offsets, at::kCPU));
  auto loss = (sums.message * edges.message_pull).sum();
  if (sums.translation.defined()) {
    loss = loss + (sums.translation * edges.translation_pull).sum();
  }
  loss.backward();

  NamedTensors result{{"message", sums.message.detach()}, {"h", h.grad()}, {"x", x.grad()}};
  if (sums.translation.defined()) result.emplace_back("translation", sums.translation.detach());
  for (const auto& [name, tensor] : named_parameters(p)) result.emplace_back(name, tensor.grad());
  result.emplace_back("running_mean", p.edge_norm->running_mean.clone());
  result.emplace_back("running_var", p.edge_norm->running_var.clone());
  const torch::NoGradGuard no_grad;
  p.edge_norm->running_mean.copy_(mean);
  p.edge_norm->running_var.copy_(variance);
  return result;
}

}  // namespace lorentznet::test
