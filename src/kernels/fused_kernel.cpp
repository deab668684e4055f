#include "kernels/fused_kernel.h"

#include <ATen/ops/cat.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/utils.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <vector>

#include "engine/engine_choice.h"
#include "kernels/fused_edges.h"
#include "kernels/fused_nodes.h"

namespace lorentznet {
namespace {

/// \throws std::invalid_argument for a network that the engine does not compute
void check_engine(const at::Tensor& weight, std::int64_t n_hidden) {
  const auto obstacle = why_not_fused(weight.device(), true, n_hidden);
  if (!obstacle.empty())
    throw std::invalid_argument("the fused kernel cannot be used: " + obstacle);
}

using Tensors = std::vector<at::Tensor>;

/// The backward pass of FusedEdges, FusedNodes or FusedLinear as a node of autograd's graph.
template <typename Part>
class FusedBackward final : public torch::autograd::Node {
 public:
  explicit FusedBackward(std::unique_ptr<const Part> part) : part_(std::move(part)) {}

  Tensors apply(Tensors&& gradients) override {
    TORCH_CHECK(part_ != nullptr, "a second backward pass through the fused kernel");
    const torch::NoGradGuard no_grad;
    auto result = part_->backward(gradients);
    part_.reset();  // its memory is freed as soon as it has been used, like all that autograd keeps
    return result;
  }
  std::string name() const override { return "FusedBackward"; }

 private:
  std::unique_ptr<const Part> part_;
};

/// The tensors' values: contiguous and outside autograd's graph.
Tensors detached(Tensors tensors) {
  for (auto& tensor : tensors) tensor = tensor.detach().contiguous();
  return tensors;
}

/// forward(part, whether a backward pass may follow), where `part` was made from `arguments`. If it
/// may, the results become part of autograd's graph.
template <typename Part, typename Forward>
Tensors run_part(std::unique_ptr<Part> part, const Tensors& arguments, Forward forward) {
  const bool keep = torch::autograd::compute_requires_grad(arguments);
  Tensors results;
  {
    const torch::NoGradGuard no_grad;
    results = forward(*part, keep);
  }
  if (keep) {
    const auto node = std::make_shared<FusedBackward<Part>>(std::move(part));
    node->set_next_edges(torch::autograd::collect_next_edges(arguments));
    for (const auto& tensor : results) torch::autograd::set_history(tensor, node);
  }
  return results;
}

/// run(the engine of the network's type)
template <typename Run>
Tensors with_engine(const at::Tensor& rows, Isa isa, Run run) {
  return rows.scalar_type() == at::kDouble ? run(engine_of<double>(isa))
                                           : run(engine_of<float>(isa));
}

std::optional<std::int64_t> if_kept(bool keep, std::int64_t most_kept) {
  return keep ? std::optional(most_kept) : std::nullopt;
}

}  // namespace

std::string why_not_fused(const at::Device& device, bool double_coordinates,
                          std::int64_t n_hidden) {
  if (!device.is_cpu()) return "device " + device.str();
  if (!double_coordinates) return "coordinates in float";
  using fused::kWidestNetwork;
  if (n_hidden > kWidestNetwork) {
    return "n_hidden " + std::to_string(n_hidden) + " is above " + std::to_string(kWidestNetwork);
  }
  return "";
}

EdgeSums FusedEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  check_edges(parameters, h, x, graph);
  const auto& weight = parameters.edge_in->weight;
  check_engine(weight, weight.size(0));
  TORCH_CHECK(x.scalar_type() == at::kDouble, "the fused kernel takes coordinates in double, not ",
              x.toString());
  const auto hidden = h.size(1);
  const auto both = at::cat({weight.narrow(1, 0, hidden), weight.narrow(1, hidden, hidden)});
  Tensors arguments{h,
                    x,
                    both,
                    weight.select(1, 2 * hidden),
                    weight.select(1, 2 * hidden + 1),
                    parameters.edge_norm->weight,
                    parameters.edge_norm->bias,
                    parameters.edge_out->weight,
                    parameters.edge_out->bias,
                    parameters.gate->weight,
                    parameters.gate->bias};
  if (!parameters.move_in.is_empty()) {
    arguments.insert(arguments.end(), {parameters.move_in->weight, parameters.move_in->bias,
                                       parameters.move_out->weight});
  }
  const auto sums = with_engine(h, isa_, [&]<typename T>(const fused::Engine<T>& engine) {
    return run_part(std::make_unique<FusedEdges<T>>(engine, graph, detached(arguments)), arguments,
                    [&](FusedEdges<T>& edges, bool keep) {
                      return edges.forward(*parameters.edge_norm.ptr(), ranks_,
                                           if_kept(keep, most_kept_));
                    });
  });
  return {.message = sums[0], .translation = sums.size() > 1 ? sums[1] : at::Tensor()};
}

at::Tensor FusedNodeKernel::forward(const NodeParameters& parameters, const at::Tensor& h,
                                    const at::Tensor& message, const at::Tensor& scalars,
                                    double padded_rows) const {
  check_nodes(parameters, h, message, scalars, padded_rows);
  check_engine(parameters.node_in->weight, parameters.node_in->weight.size(0));
  TORCH_CHECK(!scalars.requires_grad(), "the fused kernel gives no gradient of the scalars");
  const Tensors arguments{h,
                          message,
                          scalars,
                          parameters.node_in->weight,
                          parameters.node_in->bias,
                          parameters.node_norm->weight,
                          parameters.node_norm->bias,
                          parameters.node_out->weight,
                          parameters.node_out->bias};
  return with_engine(h, isa_, [&]<typename T>(const fused::Engine<T>& engine) {
    return run_part(
        std::make_unique<FusedNodes<T>>(engine, detached(arguments), padded_rows), arguments,
        [&](FusedNodes<T>& nodes, bool keep) -> Tensors {
          return {nodes.forward(*parameters.node_norm.ptr(), ranks_, if_kept(keep, most_kept_))};
        });
  })[0];
}

at::Tensor FusedNodeKernel::linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const {
  check_rows(layer, rows);
  TORCH_CHECK(layer.weight.is_cpu(), "the fused kernel computes on the CPU, the network is on ",
              layer.weight.device());
  const Tensors arguments{rows, layer.weight, layer.bias};
  return with_engine(rows, isa_, [&]<typename T>(const fused::Engine<T>& engine) {
    return run_part(
        std::make_unique<FusedLinear<T>>(engine, detached(arguments), rows.requires_grad()),
        arguments, [](FusedLinear<T>& linear, bool) -> Tensors { return {linear.forward()}; });
  })[0];
}

LGEBKernels fused_kernels(Isa isa, const std::shared_ptr<const Communicator>& ranks) {
  return {.edges = std::make_unique<FusedEdgeKernel>(isa, kMostKeptOfEdges, ranks),
          .nodes = std::make_unique<FusedNodeKernel>(isa, kMostKeptOfNodes, ranks)};
}

}  // namespace lorentznet
