#include "train/rank_work.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include <bit>

#include "train/checksum.h"

namespace lorentznet {
namespace {

/// Applies `f`, which changes a tensor in place, to all of `tensors`, which are of one type, at
/// once: one message instead of one for each.
template <typename F>
void apply_flat(const std::vector<at::Tensor>& tensors, F f) {
  std::vector<at::Tensor> flat;
  for (const auto& tensor : tensors) flat.push_back(tensor.flatten());
  const auto all = at::cat(flat);
  f(all);
  std::int64_t place = 0;
  for (const auto& tensor : tensors) {
    tensor.copy_(all.narrow(0, place, tensor.numel()).view_as(tensor));
    place += tensor.numel();
  }
}

}  // namespace

void broadcast_model(const Communicator& ranks, LorentzNetImpl& model) {
  if (ranks.size() == 1) return;
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> numbers, counters;
  for (const auto& tensors : {model.parameters(), model.buffers()}) {
    for (const auto& tensor : tensors) {
      (tensor.is_floating_point() ? numbers : counters).push_back(tensor);
    }
  }
  for (const auto& tensors : {numbers, counters}) {
    apply_flat(tensors, [&](const at::Tensor& all) { ranks.broadcast(all); });
  }
}

void average_gradients(const Communicator& ranks, const LorentzNetImpl& model) {
  if (ranks.size() == 1) return;
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : model.parameters()) {
    // Without an edge on any rank, batch norm's have none, on all of them.
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  apply_flat(gradients, [&](at::Tensor all) {
    ranks.sum(all);
    all.div_(static_cast<double>(ranks.size()));
  });
}

at::Tensor gather(const Communicator& ranks, const at::Tensor& row) {
  const auto rows = at::zeros({ranks.size(), row.numel()}, row.options());
  rows[ranks.rank()].copy_(row);
  ranks.sum(rows);
  return rows;
}

std::int64_t checksum(const LorentzNetImpl& model) {
  Checksum sum;
  for (const auto& parameter : model.parameters()) {
    const auto values = parameter.detach().to(at::kCPU).to(at::kDouble).contiguous();
    const auto* const data = values.const_data_ptr<double>();
    for (std::int64_t k = 0; k < values.numel(); ++k) {
      sum.add(std::bit_cast<std::uint64_t>(data[k]));
    }
  }
  return sum.value();
}

std::int64_t first_different(const Communicator& ranks, std::int64_t number) {
  if (ranks.size() == 1) return 0;
  const auto all = gather(ranks, at::tensor({number}, at::kLong));
  const auto* const numbers = all.const_data_ptr<std::int64_t>();
  for (std::int64_t rank = 1; rank < ranks.size(); ++rank) {
    if (numbers[rank] != numbers[0]) return rank;
  }
  return 0;
}

}  // namespace lorentznet
