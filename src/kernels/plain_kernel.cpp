#include "kernels/plain_kernel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include "parallel/collectives.h"

namespace lorentznet {
namespace {

using Ranks = std::shared_ptr<const Communicator>;

/// psi(p) = sign(p) log(1 + |p|), element by element (arXiv:2201.08187, section 3). Its derivative
/// is 1 / (1 + |p|), but 0 at p = 0.
at::Tensor psi(const at::Tensor& p) { return at::log1p(p.abs()) * p.sign(); }

/// Minkowski products <p, q> = p0 q0 - p1 q1 - p2 q2 - p3 q3 of rows, [N, 4] x [N, 4] -> [N, 1].
at::Tensor minkowski_dot(const at::Tensor& p, const at::Tensor& q) {
  const auto product = p * q;
  return product.narrow(1, 0, 1) - product.narrow(1, 1, 3).sum(1, /*keepdim=*/true);
}

// The rows of nodes as seen by edges: [P, C] -> [E, C].
at::Tensor to_receivers(const at::Tensor& nodes, const JetGraph& graph) {
  return spread_to_rows(nodes, graph.received());
}
at::Tensor to_senders(const at::Tensor& nodes, const JetGraph& graph) {
  return spread_in_order(nodes, graph.received(), graph.opposite(), graph.sender());
}

/// phi_e.0 of [h_i, h_j, s_ij, t_ij] without forming these rows: with W = [W_a | W_b | u | v],
/// z_ij = W_a h_i + W_b h_j + u s_ij + v t_ij. Two products per node instead of one per edge.
/// \return [E, H]
at::Tensor edge_input(const at::Tensor& weight, const at::Tensor& h, const at::Tensor& s,
                      const at::Tensor& t, const JetGraph& graph) {
  const auto hidden = h.size(1);
  const auto a = at::linear(h, weight.narrow(1, 0, hidden));
  const auto b = at::linear(h, weight.narrow(1, hidden, hidden));
  const auto u = weight.select(1, 2 * hidden);
  const auto v = weight.select(1, 2 * hidden + 1);
  return to_receivers(a, graph) + to_senders(b, graph) + s * u + t * v;
}

/// \param translation [E, 4]
void count_clamped(const at::Tensor& translation, TranslationCount& count) {
  const auto beyond = (translation.abs() >= TranslationRule::kBound).any(1);
  count.edges += beyond.numel();
  count.clamped += beyond.sum().item<std::int64_t>();
}

/// running <- (1 - momentum) running + momentum * value of this batch.
void move_towards(at::Tensor& running, const at::Tensor& value, double momentum) {
  running.mul_(1 - momentum).add_(value.detach(), momentum);
}

/// Training mode, with the statistics of all ranks' rows.
/// \param weight [N, 1] \param local_count  sum of this rank's weights
at::Tensor weighted_norm(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                         const at::Tensor& weight, double local_count, const Ranks& ranks) {
  const double count = sum_figures(*ranks, {local_count})[0];
  if (count == 0) return rows;
  const auto mean = sum_over_ranks(ranks, (weight * rows).sum(0)) / count;
  const auto centred = rows - mean;
  const auto variance = sum_over_ranks(ranks, (weight * centred * centred).sum(0)) / count;
  if (count > 1) {  // the variance of a single row is not known
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
  const bool known = !training || rows.size(0) > 1;  // a single row has no variance
  if (training && known) norm.num_batches_tracked.add_(1);
  return at::batch_norm(rows, norm.weight, norm.bias, known ? norm.running_mean : at::Tensor(),
                        known ? norm.running_var : at::Tensor(), training,
                        norm.options.momentum().value(), norm.options.eps(),
                        /*cudnn_enabled=*/false);
}

at::Tensor batch_norm_with_ghost(torch::nn::BatchNorm1dImpl& norm, const at::Tensor& rows,
                                 double last_row_weight, const Ranks& ranks) {
  TORCH_CHECK(norm.is_training(), "a ghost row has a meaning in training mode only");
  TORCH_CHECK(last_row_weight > 0, "weight of the ghost row is ", last_row_weight);
  auto weight = at::ones({rows.size(0), 1}, rows.options());
  weight.narrow(0, -1, 1).fill_(last_row_weight);
  const double count = static_cast<double>(rows.size(0) - 1) + last_row_weight;
  return weighted_norm(norm, rows, weight, count, ranks);
}

EdgeSums PlainEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  check_edges(parameters, h, x, graph);
  const auto x_i = to_receivers(x, graph);
  const auto x_j = to_senders(x, graph);
  const auto difference = x_i - x_j;
  const auto s = psi(minkowski_dot(difference, difference)).to(h.dtype());
  const auto t = psi(minkowski_dot(x_i, x_j)).to(h.dtype());

  const auto z = edge_input(parameters.edge_in->weight, h, s, t, graph);
  const auto normed = at::relu(batch_norm(*parameters.edge_norm.ptr(), z, ranks_));
  const auto e = at::relu(parameters.edge_out.ptr()->forward(normed));
  const auto m = e * at::sigmoid(parameters.gate.ptr()->forward(e));

  EdgeSums sums;
  sums.message = sum_rows(m, graph.received());
  if (!parameters.move_in.is_empty()) {
    const auto phi =
        parameters.move_out.ptr()->forward(at::relu(parameters.move_in.ptr()->forward(m)));
    const auto translation = difference * phi.to(x.dtype());
    if (rule_.count != nullptr) count_clamped(translation, *rule_.count);
    sums.translation =
        sum_rows(at::clamp(translation, -rule_.bound, rule_.bound), graph.received());
  }
  return sums;
}

at::Tensor PlainNodeKernel::forward(const NodeParameters& parameters, const at::Tensor& h,
                                    const at::Tensor& message, const at::Tensor& scalars,
                                    double padded_rows) const {
  check_nodes(parameters, h, message, scalars, padded_rows);
  auto received = message;
  if (padded_rows > 0) {  // no edge leads to the ghost
    received = at::cat({message, at::zeros({1, message.size(1)}, message.options())});
  }
  auto& norm = *parameters.node_norm.ptr();
  const auto z = parameters.node_in.ptr()->forward(at::cat({h, received, scalars}, 1));
  const auto normed = padded_rows > 0 ? batch_norm_with_ghost(norm, z, padded_rows, ranks_)
                                      : batch_norm(norm, z, ranks_);
  return h + parameters.node_out.ptr()->forward(at::relu(normed));
}

at::Tensor PlainNodeKernel::linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const {
  check_rows(layer, rows);
  return layer.forward(rows);
}

LGEBKernels plain_kernels(const Ranks& ranks, const TranslationRule& rule) {
  return {.edges = std::make_unique<PlainEdgeKernel>(ranks, rule),
          .nodes = std::make_unique<PlainNodeKernel>(ranks)};
}

}  // namespace lorentznet
