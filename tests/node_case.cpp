#include "node_case.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>
#include <torch/utils.h>

namespace lorentznet::test {
namespace {

NamedTensors named_parameters(const NodeParameters& p) {
  return {{"phi_h.0.weight", p.node_in->weight},   {"phi_h.0.bias", p.node_in->bias},
          {"phi_h.1.weight", p.node_norm->weight}, {"phi_h.1.bias", p.node_norm->bias},
          {"phi_h.3.weight", p.node_out->weight},  {"phi_h.3.bias", p.node_out->bias}};
}

NodeParameters make_parameters(std::int64_t hidden, std::int64_t scalars, at::ScalarType type) {
  NodeParameters p;
  p.node_in = torch::nn::Linear(2 * hidden + scalars, hidden);
  p.node_norm = torch::nn::BatchNorm1d(hidden);
  p.node_out = torch::nn::Linear(hidden, hidden);
  for (auto& [name, tensor] : named_parameters(p)) tensor.set_data(tensor.to(type));
  for (auto* tensor : {&p.node_norm->running_mean, &p.node_norm->running_var}) {
    tensor->set_data(tensor->to(type));
  }
  return p;
}

/// The node part written out in double, as far as a comparison with float needs it.
struct NodeTrace {
  explicit NodeTrace(const NodeCase& nodes) : p(nodes.parameters) {
    auto received = nodes.message;
    auto weight = at::ones({nodes.h.size(0), 1}, at::kDouble);
    if (nodes.ghost > 0) {
      received = at::cat({received, at::zeros({1, received.size(1)}, at::kDouble)});
      weight.narrow(0, -1, 1).fill_(nodes.ghost);
    }
    rows = at::cat({nodes.h, received, nodes.scalars}, 1);
    z = at::linear(rows, p.node_in->weight, p.node_in->bias);
    share = weight / weight.sum();
    const bool training = p.node_norm->is_training();
    mean = training ? (share * z).sum(0) : p.node_norm->running_mean;
    const auto variance =
        training ? (share * (z - mean).square()).sum(0) : p.node_norm->running_var;
    sigma = (variance + 1e-5).sqrt();
    zhat_terms = (z.abs() + mean.abs()) / sigma;
    normed_terms = zhat_terms * p.node_norm->weight + p.node_norm->bias.abs();
    normed = (z - mean) / sigma * p.node_norm->weight + p.node_norm->bias;
    const auto out = at::linear(normed.relu(), p.node_out->weight, p.node_out->bias);
    gradient = torch::autograd::grad({(out * nodes.pull).sum()}, {normed})[0];
    if (!training) share.zero_();
  }

  /// Smallest distance of a relu's input from 0, in units of its rounding error in float.
  double distance_to_kink() const {
    return (normed.abs() / (float_rounding(rows.size(1)) * normed_terms)).min().item<double>();
  }

  NodeParameters p;
  at::Tensor zhat_terms, normed_terms;  ///< sums of |terms|
  at::Tensor rows, z, share, mean, sigma, normed, gradient;
};

}  // namespace

NodeCase random_nodes(const NodeCaseOptions& options, at::ScalarType type) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(options.seed);
  NodeCase nodes;
  nodes.parameters = make_parameters(options.hidden, options.scalars, type);
  auto& norm = *nodes.parameters.node_norm.ptr();
  norm.weight.uniform_(0.5, 1.5);
  norm.bias.normal_();
  norm.running_mean.normal_();
  norm.running_var.uniform_(0.5, 2);
  norm.train(options.training);
  const auto rows = options.rows + (options.ghost > 0 ? 1 : 0);
  nodes.h = at::randn({rows, options.hidden}, type);
  nodes.message = at::rand({options.rows, options.hidden}, type) * 3;
  nodes.scalars = at::randn({rows, options.scalars}, type);
  nodes.pull = at::randn({rows, options.hidden}, at::kDouble);
  nodes.ghost = options.ghost;
  return nodes;
}

NodeCase in_double(const NodeCase& nodes) {
  const torch::NoGradGuard no_grad;
  auto copy = nodes;
  const auto& from = nodes.parameters;
  auto& to = copy.parameters;
  to = make_parameters(nodes.h.size(1), nodes.scalars.size(1), at::kDouble);
  copy_values(named_parameters(from), from.node_norm, named_parameters(to), to.node_norm);
  for (auto* tensor : {&copy.h, &copy.message, &copy.scalars}) *tensor = tensor->to(at::kDouble);
  return copy;
}

NamedTensors run(const NodeKernel& kernel, const NodeCase& nodes) {
  const auto& p = nodes.parameters;
  auto& norm = *p.node_norm.ptr();
  const auto mean = norm.running_mean.clone(), variance = norm.running_var.clone();
  const auto h = nodes.h.clone().requires_grad_();
  const auto message = nodes.message.clone().requires_grad_();
  for (auto& [name, tensor] : named_parameters(p)) tensor.mutable_grad() = at::Tensor();
  const auto result = kernel.forward(p, h, message, nodes.scalars, nodes.ghost);
  (result * nodes.pull).sum().backward();

  NamedTensors tensors{{"result", result.detach()}, {"h", h.grad()}, {"message", message.grad()}};
  for (const auto& [name, tensor] : named_parameters(p)) tensors.emplace_back(name, tensor.grad());
  tensors.emplace_back("running_mean", norm.running_mean.clone());
  tensors.emplace_back("running_var", norm.running_var.clone());
  const torch::NoGradGuard no_grad;
  norm.running_mean.copy_(mean);
  norm.running_var.copy_(variance);
  return tensors;
}

std::map<std::string, double> float_tolerances(const NodeCase& nodes) {
  const NodeTrace trace(nodes);
  const torch::NoGradGuard no_grad;
  const auto& p = trace.p;
  const auto pull = nodes.pull.abs(), r = trace.gradient.abs();
  const auto y = at::where(trace.normed > 0, trace.normed_terms, 0);
  const auto& zhat = trace.zhat_terms;
  const auto from_statistics = trace.share * (r.sum(0) + zhat * (r * zhat).sum(0));
  const auto z = (r + from_statistics) * p.node_norm->weight / trace.sigma;
  const auto to_rows = z.mm(p.node_in->weight.abs());
  const auto hidden = nodes.h.size(1);
  const std::map<std::string, at::Tensor> terms{
      {"result", nodes.h.abs() + at::linear(y, p.node_out->weight.abs(), p.node_out->bias.abs())},
      {"h", pull + to_rows.narrow(1, 0, hidden)},
      {"message", to_rows.narrow(1, hidden, hidden)},
      {"phi_h.0.weight", z.t().mm(trace.rows.abs())},
      {"phi_h.0.bias", z.sum(0)},
      {"phi_h.1.weight", (r * zhat).sum(0)},
      {"phi_h.1.bias", r.sum(0)},
      {"phi_h.3.weight", pull.t().mm(y)},
      {"phi_h.3.bias", pull.sum(0)},
      {"running_mean", p.node_norm->running_mean.abs() + trace.z.abs().mean(0)},
      {"running_var", p.node_norm->running_var + trace.z.square().mean(0)}};
  // phi_h forward, and backward to its input.
  const double error = 2 * float_rounding(2 * (trace.rows.size(1) + hidden));
  return times_largest(error, terms);
}

NodeCase clear_of_kinks(NodeCaseOptions options) {
  const auto make = [&](std::uint64_t seed) {
    options.seed = seed;
    return random_nodes(options, at::kFloat);
  };
  return first_clear_of_kinks(
      make, [](const auto& nodes) { return NodeTrace(in_double(nodes)).distance_to_kink(); });
}

}  // namespace lorentznet::test
