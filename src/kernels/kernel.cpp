#include "kernels/kernel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>

#include <stdexcept>
#include <utility>

#include "io/message.h"
#include "kernels/transfer.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Whether `tensor` has the shape `expected`, and device and, if it says so, type of `like`.
void require_fit(const std::string& name, const at::Tensor& tensor,
                 const std::vector<std::int64_t>& expected, const at::Tensor& like,
                 bool same_type = true) {
  if (tensor.sizes() != expected) {
    throw std::invalid_argument(name + " is " + format_shape(tensor.sizes().vec()) +
                                ", the kernel needs " + format_shape(expected));
  }
  if (tensor.device() != like.device()) {
    throw std::invalid_argument(name + " is on " + tensor.device().str() + ", the network on " +
                                like.device().str());
  }
  if (same_type && tensor.scalar_type() != like.scalar_type()) {
    throw std::invalid_argument(
        c10::str(name, " is of ", tensor.scalar_type(), ", the network of ", like.scalar_type()));
  }
}

}  // namespace

void check_offsets(const std::vector<std::int64_t>& offsets) {
  if (offsets.empty()) throw InputError("batch: there are no offsets, not even 0");
  if (offsets.front() != 0) {
    throw InputError(c10::str("batch: the offsets begin at ", offsets.front(), ", not at 0"));
  }
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    if (offsets[jet] < offsets[jet + 1]) continue;
    throw InputError(c10::str("batch: jet ", jet, " has no nodes (offsets ", offsets[jet], " and ",
                              offsets[jet + 1], ")"));
  }
}

// The lists are made on the device, where they are used: the host only sends the offsets, and waits
// for nothing.
JetGraph::JetGraph(std::vector<std::int64_t> offsets, const at::Device& device)
    : offsets_(std::move(offsets)) {
  check_offsets(offsets_);
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    const auto n = offsets_[jet + 1] - offsets_[jet];
    num_edges_ += n * (n - 1);
  }
  jets_.offsets = send(offsets_, device);
  const auto sizes =
      jets_.offsets.narrow(0, 1, num_jets()) - jets_.offsets.narrow(0, 0, num_jets());
  jets_.of_row = at::repeat_interleave(sizes, std::optional(num_nodes()));
  received_edges_ = (sizes - 1).index_select(0, jets_.of_row);
  degree_ = received_edges_.clamp_min(1).to(at::kDouble).unsqueeze(1);
}

const JetGraph::Edges& JetGraph::edges() const {
  if (edges_) return *edges_;
  const auto ends = received_edges_.cumsum(0), begins = ends - received_edges_;  // [P]
  Edges edges;
  edges.received.offsets = at::cat({at::zeros({1}, ends.options()), ends});
  edges.received.of_row = at::repeat_interleave(received_edges_, std::optional(num_edges_));
  const auto& receiver = edges.received.of_row;
  // With i and j counted from the first node of their jet, node i receives from 0, 1, ..., i-1,
  // i+1, ...: sender number k is j = k + (k >= i).
  const auto k = at::arange(num_edges_, receiver.options()) - begins.index_select(0, receiver);
  const auto first = jets_.offsets.index_select(0, jets_.of_row).index_select(0, receiver);
  const auto i = receiver - first;
  const auto after = k.ge(i);
  edges.sender = first + k + after;
  // Node j receives from i as number i - (i > j), and i > j means k < i.
  edges.opposite = begins.index_select(0, edges.sender) + i - 1 + after;
  edges_ = std::move(edges);
  return *edges_;
}

void check_edges(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                 const JetGraph& graph) {
  const auto& weight = parameters.edge_in->weight;
  require_fit("h", h, {graph.num_nodes(), weight.size(0)}, weight);
  require_fit("x", x, {graph.num_nodes(), 4}, weight, /*same_type=*/false);
}

void check_nodes(const NodeParameters& parameters, const at::Tensor& h, const at::Tensor& message,
                 const at::Tensor& scalars, double padded_rows) {
  const auto& weight = parameters.node_in->weight;
  const auto hidden = weight.size(0), rows = h.size(0);
  require_fit("h", h, {rows, hidden}, weight);
  require_fit("message", message, {padded_rows > 0 ? rows - 1 : rows, hidden}, weight);
  require_fit("scalars", scalars, {rows, weight.size(1) - 2 * hidden}, weight);
}

void check_rows(const torch::nn::LinearImpl& layer, const at::Tensor& rows) {
  const auto count = rows.dim() == 0 ? 1 : rows.size(0);
  require_fit("rows", rows, {count, layer.weight.size(1)}, layer.weight);
}

}  // namespace lorentznet
