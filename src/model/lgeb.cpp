#include <ATen/TensorOperators.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>

#include "kernels/kernel.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {
namespace {

torch::nn::Linear linear(std::int64_t in, std::int64_t out, bool bias = true) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(bias));
}

/// phi_e and phi_x keep the names of their places in the published torch.nn.Sequential.
torch::nn::Sequential sequence(auto... modules) { return torch::nn::Sequential(modules...); }

}  // namespace

LGEBImpl::LGEBImpl(const LGEBOptions& options) : options_(options) {
  using torch::nn::ReLU;
  const auto hidden = options.n_hidden;
  EdgeParameters edge;
  edge.edge_in = linear(2 * hidden + 2, hidden, false);
  edge.edge_norm = torch::nn::BatchNorm1d(hidden);
  edge.edge_out = linear(hidden, hidden);
  register_module("phi_e", sequence(edge.edge_in, edge.edge_norm, ReLU(), edge.edge_out, ReLU()));

  NodeParameters node;
  node.node_in = linear(2 * hidden + options.n_scalar, hidden);
  node.node_norm = torch::nn::BatchNorm1d(hidden);
  node.node_out = linear(hidden, hidden);
  register_module("phi_h", sequence(node.node_in, node.node_norm, ReLU(), node.node_out));

  if (!options.last_layer) {
    edge.move_in = linear(hidden, hidden);
    edge.move_out = linear(hidden, 1, false);
    // The published initialisation: coordinates hardly move at first.
    torch::nn::init::xavier_uniform_(edge.move_out->weight, /*gain=*/0.001);
    register_module("phi_x", sequence(edge.move_in, ReLU(), edge.move_out));
  }

  edge.gate = linear(hidden, 1);
  register_module("phi_m", sequence(edge.gate, torch::nn::Sigmoid()));
  edge_ = std::make_shared<const EdgeParameters>(std::move(edge));
  node_ = std::make_shared<const NodeParameters>(std::move(node));
}

LGEBState LGEBImpl::forward(const LGEBState& state, const at::Tensor& scalars,
                            const JetGraph& graph, const LGEBKernels& kernels, double padded_rows) {
  const auto constituents = graph.num_constituents();
  const auto sums =
      kernels.edges->forward(*edge_, state.h.narrow(0, 0, constituents), state.x, graph);
  LGEBState next{.h = kernels.nodes->forward(*node_, state.h, sums.message, scalars, padded_rows),
                 .x = state.x};
  if (!options_.last_layer) {
    next.x = state.x + sums.translation * (options_.c_weight / graph.degree()).to(state.x.dtype());
  }
  return next;
}

}  // namespace lorentznet
