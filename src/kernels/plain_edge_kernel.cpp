#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>

#include "kernels/minkowski.h"
#include "kernels/plain_edges.h"
#include "lorentznet/batch_norm.h"

namespace lorentznet {
namespace {

/// phi_e.0 of [h_i, h_j, s_ij, t_ij], without forming these rows: with W = [W_a | W_b | u | v],
/// z_ij = W_a h_i + W_b h_j + u s_ij + v t_ij. Two products a node instead of one an edge. [E, H]
at::Tensor edge_input(const at::Tensor& weight, const at::Tensor& h, const at::Tensor& s,
                      const at::Tensor& t, const JetGraph& graph) {
  const auto hidden = h.size(1);
  const auto a = at::linear(h, weight.narrow(1, 0, hidden));
  const auto b = at::linear(h, weight.narrow(1, hidden, hidden));
  const auto u = weight.select(1, 2 * hidden);
  const auto v = weight.select(1, 2 * hidden + 1);
  return a.index_select(0, graph.receiver()) + b.index_select(0, graph.sender()) + s * u + t * v;
}

/// Sum over the edges that each constituent receives: [E, C] -> [P, C].
at::Tensor sum_by_receiver(const at::Tensor& edges, const JetGraph& graph) {
  return at::zeros({graph.num_constituents(), edges.size(1)}, edges.options())
      .index_add(0, graph.receiver(), edges);
}

/// [E, 4] -> those beyond the bound in a component.
void count_clamped(const at::Tensor& translation, TranslationCount& count) {
  const auto beyond = (translation.abs() >= TranslationRule::kBound).any(1);
  count.edges += beyond.numel();
  count.clamped += beyond.sum().item<std::int64_t>();
}

}  // namespace

EdgeSums plain_edge_sums(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                         const JetGraph& graph, const std::shared_ptr<const Communicator>& ranks,
                         const TranslationRule& rule) {
  const auto x_i = x.index_select(0, graph.receiver());
  const auto x_j = x.index_select(0, graph.sender());
  const auto difference = x_i - x_j;
  const auto s = psi(minkowski_dot(difference, difference)).to(h.dtype());
  const auto t = psi(minkowski_dot(x_i, x_j)).to(h.dtype());

  const auto z = edge_input(parameters.edge_in->weight, h, s, t, graph);
  const auto normed = at::relu(batch_norm(*parameters.edge_norm.ptr(), z, ranks));
  const auto e = at::relu(parameters.edge_out.ptr()->forward(normed));
  const auto m = e * at::sigmoid(parameters.gate.ptr()->forward(e));

  EdgeSums sums;
  sums.message = sum_by_receiver(m, graph);
  if (!parameters.move_in.is_empty()) {
    const auto phi =
        parameters.move_out.ptr()->forward(at::relu(parameters.move_in.ptr()->forward(m)));
    const auto translation = difference * phi.to(x.dtype());
    if (rule.count != nullptr) count_clamped(translation, *rule.count);
    sums.translation = sum_by_receiver(at::clamp(translation, -rule.bound, rule.bound), graph);
  }
  return sums;
}

EdgeSums PlainEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  return plain_edge_sums(parameters, h, x, graph, ranks_, {});
}

}  // namespace lorentznet
