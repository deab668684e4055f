#include "kernels/kernel.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "io/message.h"
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

at::Tensor to_tensor(const std::vector<std::int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
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

JetGraph::JetGraph(std::vector<std::int64_t> offsets, const at::Device& device)
    : offsets_(std::move(offsets)), device_(device) {
  check_offsets(offsets_);
  std::vector<std::int64_t> jet_of;
  std::vector<double> degree;
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    const auto n = offsets_[jet + 1] - offsets_[jet];
    num_edges_ += n * (n - 1);
    jet_of.insert(jet_of.end(), n, jet);
    degree.insert(degree.end(), n, static_cast<double>(std::max<std::int64_t>(1, n - 1)));
  }
  jet_ = to_tensor(jet_of, device);
  degree_ = at::tensor(degree, at::kDouble).unsqueeze(1).to(device);
}

const JetGraph::Edges& JetGraph::edges() const {
  if (edges_) return *edges_;
  std::vector<std::int64_t> receiver, sender;
  receiver.reserve(static_cast<std::size_t>(num_edges_));
  sender.reserve(static_cast<std::size_t>(num_edges_));
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    for (auto i = offsets_[jet]; i < offsets_[jet + 1]; ++i) {
      for (auto j = offsets_[jet]; j < offsets_[jet + 1]; ++j) {
        if (j == i) continue;
        receiver.push_back(i);
        sender.push_back(j);
      }
    }
  }
  edges_ = Edges{to_tensor(receiver, device_), to_tensor(sender, device_)};
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
