#include "kernels/kernel.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

namespace lorentznet {
namespace {

at::Tensor to_tensor(const std::vector<std::int64_t>& values, const at::Device& device) {
  return at::tensor(values, at::kLong).to(device);
}

}  // namespace

JetGraph::JetGraph(std::vector<std::int64_t> offsets, const at::Device& device)
    : offsets_(std::move(offsets)), device_(device) {
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

}  // namespace lorentznet
