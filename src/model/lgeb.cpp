#include "model/lgeb.h"

#include <ATen/TensorOperators.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>

namespace lorentznet {
namespace {

torch::nn::Linear linear(std::int64_t in, std::int64_t out, bool bias = true) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(bias));
}

/// Its modules are named by their places ("phi_e.0"), as in the published program.
torch::nn::Sequential sequence(auto... modules) { return torch::nn::Sequential(modules...); }

}  // namespace

LGEBImpl::LGEBImpl(const LGEBOptions& options) : options_(options) {
  using torch::nn::ReLU;
  const auto hidden = options.n_hidden;
  edge_.edge_in = linear(2 * hidden + 2, hidden, false);
  edge_.edge_norm = torch::nn::BatchNorm1d(hidden);
  edge_.edge_out = linear(hidden, hidden);
  register_module("phi_e",
                  sequence(edge_.edge_in, edge_.edge_norm, ReLU(), edge_.edge_out, ReLU()));

  node_.node_in = linear(2 * hidden + options.n_scalar, hidden);
  node_.node_norm = torch::nn::BatchNorm1d(hidden);
  node_.node_out = linear(hidden, hidden);
  register_module("phi_h", sequence(node_.node_in, node_.node_norm, ReLU(), node_.node_out));

  if (!options.last_layer) {
    edge_.move_in = linear(hidden, hidden);
    edge_.move_out = linear(hidden, 1, false);
    // As published: coordinates hardly move at first.
    torch::nn::init::xavier_uniform_(edge_.move_out->weight, /*gain=*/0.001);
    register_module("phi_x", sequence(edge_.move_in, ReLU(), edge_.move_out));
  }

  edge_.gate = linear(hidden, 1);
  register_module("phi_m", sequence(edge_.gate, torch::nn::Sigmoid()));
}

LGEBState LGEBImpl::forward(const LGEBState& state, const at::Tensor& scalars,
                            const JetGraph& graph, const LGEBKernels& kernels, double padded_rows) {
  const auto without_ghost = state.h.narrow(0, 0, graph.num_nodes());
  const auto sums = kernels.edges->forward(edge_, without_ghost, state.x, graph);
  LGEBState next{.h = kernels.nodes->forward(node_, state.h, sums.message, scalars, padded_rows),
                 .x = state.x};
  if (!options_.last_layer) {
    next.x = state.x + sums.translation * (options_.c_weight / graph.degree()).to(state.x.dtype());
  }
  return next;
}

}  // namespace lorentznet
