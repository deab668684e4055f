#include "edge_case.h"

#include <ATen/ATen.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

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

constexpr double kBound = 100;
/// Products of length H behind a result of the forward pass: two of phi_e.0 (2H), and phi_e.3,
/// phi_m, phi_x.0 and phi_x.2. A gradient has them twice.
constexpr int kForward = 6, kBackward = 12;

at::Tensor minkowski(const at::Tensor& p, const at::Tensor& q) {
  return (p * q * at::tensor({1., -1., -1., -1.}, at::kDouble)).sum(1, true);
}
at::Tensor psi(const at::Tensor& p) { return p.sign() * (1 + p.abs()).log(); }
at::Tensor psi_slope(const at::Tensor& p) { return 1 / (1 + p.abs()); }

/// Smallest |values - kink| in units of `error`.
double nearest(const at::Tensor& values, double kink, const at::Tensor& error) {
  if (values.numel() == 0) return INFINITY;
  return ((values.abs() - kink).abs() / error).min().item<double>();
}
double nearest_to_zero(const at::Tensor& values, double rounding) {
  return nearest(values, 0, rounding * values.square().mean().sqrt());
}

double psi(double p) { return p > 0 ? std::log(1 + p) : -std::log(1 - p); }

double dot(const double* p, const double* q) {
  return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3];
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

EdgeTrace::EdgeTrace(const EdgeCase& edges) : case_(edges), graph_(edges.offsets, at::kCPU) {
  make_rows();
  const auto& p = case_.parameters;
  z_ = rows_.mm(p.edge_in->weight.t());
  const bool training = p.edge_norm->is_training();
  mean_ = training ? z_.mean(0) : p.edge_norm->running_mean;
  sigma_ = ((training ? z_.var(0, /*unbiased=*/false) : p.edge_norm->running_var) + 1e-5).sqrt();
  normed_ = (z_ - mean_) / sigma_ * p.edge_norm->weight + p.edge_norm->bias;
  out_ = at::linear(normed_.relu(), p.edge_out->weight, p.edge_out->bias);
  e_ = out_.relu();
  const auto logit = at::linear(e_, p.gate->weight, p.gate->bias);
  m_ = e_ * logit.sigmoid();
  auto loss = (m_ * of_receivers(case_.message_pull)).sum();
  std::vector<at::Tensor> inner{normed_, out_, logit};
  if (!p.move_in.is_empty()) {
    move_ = at::linear(m_, p.move_in->weight, p.move_in->bias);
    phi_ = move_.relu().mm(p.move_out->weight.t());
    translation_ = difference_ * phi_;
    loss =
        loss + (translation_.clamp(-kBound, kBound) * of_receivers(case_.translation_pull)).sum();
    inner.insert(inner.end(), {move_, phi_});
  }
  auto gradients = torch::autograd::grad({loss}, inner);
  gradients.resize(5);
  normed_gradient_ = gradients[0].abs();
  out_gradient_ = gradients[1].abs();
  logit_gradient_ = gradients[2].abs();
  if (phi_.defined()) move_gradient_ = gradients[3].abs(), phi_gradient_ = gradients[4].abs();
}

void EdgeTrace::make_rows() {
  x_i_ = of_receivers(case_.x);
  x_j_ = case_.x.index_select(0, graph_.sender());
  difference_ = x_i_ - x_j_;
  distance_ = minkowski(difference_, difference_);
  product_ = minkowski(x_i_, x_j_);
  rows_ = at::cat({of_receivers(case_.h), case_.h.index_select(0, graph_.sender()), psi(distance_),
                   psi(product_)},
                  1);
}

at::Tensor EdgeTrace::of_receivers(const at::Tensor& nodes) const {
  return nodes.index_select(0, graph_.receiver());
}

at::Tensor EdgeTrace::sum_by(const at::Tensor& node, const at::Tensor& of_edges) const {
  return at::zeros({graph_.num_nodes(), of_edges.size(1)}, at::kDouble)
      .index_add(0, node, of_edges);
}

double EdgeTrace::distance_to_kink() const {
  const torch::NoGradGuard no_grad;
  const double error = float_rounding(kForward * case_.h.size(1));
  double distance = std::min(nearest_to_zero(normed_, error), nearest_to_zero(out_, error));
  if (phi_.defined()) {
    const auto terms = move_.relu().mm(case_.parameters.move_out->weight.abs().t());
    distance = std::min({distance, nearest_to_zero(move_, error),
                         nearest(translation_, kBound, error * difference_.abs() * terms)});
  }
  return distance;
}

double EdgeTrace::clamped_share() const {
  return (translation_.abs() > kBound).to(at::kDouble).mean().item<double>();
}

at::Tensor EdgeTrace::terms_of_h() const {
  const auto weight = case_.parameters.edge_in->weight.abs();
  const auto hidden = case_.h.size(1);
  const auto z = normed_gradient_ * (case_.parameters.edge_norm->weight.abs() / sigma_);
  return sum_by(graph_.receiver(), z.mm(weight.narrow(1, 0, hidden))) +
         sum_by(graph_.sender(), z.mm(weight.narrow(1, hidden, hidden)));
}

at::Tensor EdgeTrace::terms_of_x() const {
  const auto& p = case_.parameters;
  const auto z = normed_gradient_ * (p.edge_norm->weight.abs() / sigma_);
  const auto of_products = z.mm(p.edge_in->weight.abs().narrow(1, 2 * case_.h.size(1), 2));
  const auto by_s = of_products.narrow(1, 0, 1) * psi_slope(distance_) * 2 * difference_.abs();
  const auto by_t = of_products.narrow(1, 1, 1) * psi_slope(product_);
  auto terms = sum_by(graph_.receiver(), by_s + by_t * x_j_.abs()) +
               sum_by(graph_.sender(), by_s + by_t * x_i_.abs());
  if (phi_.defined()) {
    const auto pull = of_receivers(case_.translation_pull);
    const auto moved = (pull * phi_).abs();
    terms += sum_by(graph_.receiver(), moved) + sum_by(graph_.sender(), moved);
  }
  return terms;
}

std::map<std::string, at::Tensor> EdgeTrace::terms_of_parameters() const {
  const auto& p = case_.parameters;
  const auto z = normed_gradient_ * (p.edge_norm->weight.abs() / sigma_);
  const auto zhat = (z_.abs() + mean_.abs()) / sigma_;
  std::map<std::string, at::Tensor> terms{{"phi_e.0.weight", z.t().mm(rows_.abs())},
                                          {"phi_e.1.weight", (normed_gradient_ * zhat).sum(0)},
                                          {"phi_e.1.bias", normed_gradient_.sum(0)},
                                          {"phi_e.3.weight", out_gradient_.t().mm(normed_.relu())},
                                          {"phi_e.3.bias", out_gradient_.sum(0)},
                                          {"phi_m.0.weight", logit_gradient_.t().mm(e_)},
                                          {"phi_m.0.bias", logit_gradient_.sum(0)}};
  if (phi_.defined()) {
    const auto inside = at::linear(m_, p.move_in->weight.abs(), p.move_in->bias.abs());
    terms["phi_x.0.weight"] = move_gradient_.t().mm(m_);
    terms["phi_x.0.bias"] = move_gradient_.sum(0);
    terms["phi_x.2.weight"] = phi_gradient_.t().mm(inside);
  }
  return terms;
}

std::map<std::string, double> EdgeTrace::tolerances() const {
  const torch::NoGradGuard no_grad;
  const auto& p = case_.parameters;
  auto terms = terms_of_parameters();
  terms["message"] = sum_by(graph_.receiver(), m_);
  terms["h"] = terms_of_h();
  terms["x"] = terms_of_x();
  terms["running_mean"] = z_.abs().mean(0) + p.edge_norm->running_mean.abs();
  terms["running_var"] = z_.square().mean(0) + p.edge_norm->running_var;
  if (phi_.defined()) {
    const auto inside = move_.relu().mm(p.move_out->weight.abs().t());
    terms["translation"] = sum_by(graph_.receiver(), difference_.abs() * inside);
  }
  const auto senders = static_cast<std::int64_t>(graph_.degree().max().item<double>());
  const double error = 2 * float_rounding(kBackward * case_.h.size(1) + senders);
  return times_largest(error, terms);
}

EdgeCase clear_of_kinks(EdgeCaseOptions options) {
  const auto make = [&](std::uint64_t seed) {
    options.seed = seed;
    return random_edges(options, at::kFloat);
  };
  return first_clear_of_kinks(
      make, [](const auto& edges) { return EdgeTrace(in_double(edges)).distance_to_kink(); });
}

NaiveEdges naive_edges(const NamedTensors& state, int layer, const LGEBState& in,
                       const JetGraph& graph) {
  const torch::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> tensors(state.begin(), state.end());
  const auto prefix = "LGEBs." + std::to_string(layer) + ".";
  const auto get = [&](const std::string& name) { return tensors.at(prefix + name); };
  const bool moves = tensors.contains(prefix + "phi_x.0.weight");
  const auto x = in.x.contiguous();
  const double* p = x.const_data_ptr<double>();

  NaiveEdges out{.message = at::zeros_like(in.h), .translation = at::zeros_like(x)};
  const auto& offsets = graph.offsets();
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    for (auto i = offsets[jet]; i < offsets[jet + 1]; ++i) {
      for (auto j = offsets[jet]; j < offsets[jet + 1]; ++j) {
        if (i == j) continue;
        double d[4];
        for (int k = 0; k < 4; ++k) d[k] = p[4 * i + k] - p[4 * j + k];
        const auto products =
            at::tensor({psi(dot(d, d)), psi(dot(p + 4 * i, p + 4 * j))}, at::kDouble);
        auto e = at::mv(get("phi_e.0.weight"), at::cat({in.h[i], in.h[j], products}));
        e = (e - get("phi_e.1.running_mean")) / at::sqrt(get("phi_e.1.running_var") + 1e-5) *
                get("phi_e.1.weight") +
            get("phi_e.1.bias");
        e = at::relu(at::mv(get("phi_e.3.weight"), at::relu(e)) + get("phi_e.3.bias"));
        const auto m =
            e * at::sigmoid(at::dot(get("phi_m.0.weight")[0], e) + get("phi_m.0.bias")[0]);
        out.message[i] += m;
        if (!moves) continue;
        const auto phi = at::dot(get("phi_x.2.weight")[0],
                                 at::relu(at::mv(get("phi_x.0.weight"), m) + get("phi_x.0.bias")))
                             .item<double>();
        for (int k = 0; k < 4; ++k) {
          out.translation[i][k] += d[k] * phi;
          out.largest_translation = std::max(out.largest_translation, std::abs(d[k] * phi));
        }
      }
    }
  }
  return out;
}

}  // namespace lorentznet::test
