#include "lorentznet/jet_graph.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

namespace lorentznet {
namespace {

at::Tensor to_tensor(const std::vector<std::int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
}

std::int64_t count_edges(const std::vector<std::int64_t>& offsets) {
  std::int64_t edges = 0;
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    const auto n = offsets[jet + 1] - offsets[jet];
    edges += n * (n - 1);
  }
  return edges;
}

}  // namespace

JetGraph::JetGraph(std::vector<std::int64_t> offsets, const at::Device& device)
    : offsets_(std::move(offsets)) {
  std::vector<std::int64_t> receiver, sender, jet_of;
  std::vector<double> degree;
  const auto edges = static_cast<std::size_t>(count_edges(offsets_));
  receiver.reserve(edges);
  sender.reserve(edges);
  for (std::int64_t jet = 0; jet < num_jets(); ++jet) {
    const auto begin = offsets_[jet], end = offsets_[jet + 1];
    for (auto i = begin; i < end; ++i) {
      jet_of.push_back(jet);
      degree.push_back(static_cast<double>(std::max<std::int64_t>(1, end - begin - 1)));
      for (auto j = begin; j < end; ++j) {
        if (j == i) continue;
        receiver.push_back(i);
        sender.push_back(j);
      }
    }
  }
  receiver_ = to_tensor(receiver, device);
  sender_ = to_tensor(sender, device);
  jet_ = to_tensor(jet_of, device);
  degree_ = at::tensor(degree, at::kDouble).unsqueeze(1).to(device);
}

}  // namespace lorentznet
