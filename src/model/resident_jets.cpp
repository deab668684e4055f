#include "model/resident_jets.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "data/nodes.h"
#include "model/batch_layout.h"

namespace lorentznet {

ResidentJets::ResidentJets(const JetSet& set, const Task& task, const at::Device& device)
    : set_(set), task_(task) {
  const auto rows = num_rows(set, task);
  const auto on_device = at::TensorOptions(at::kDouble).device(device);
  p4_ = at::empty({rows, 4}, on_device);
  scalars_ = at::empty({rows, task.n_scalar}, on_device);
  fill_nodes();
  const auto jets = file_order(set.num_jets());
  label_ = labels_of(set, jets).to(device);
  size_ = sizes_of(set, jets, task).to(device);
  if (!set.weight.empty()) weight_ = weights_of(set, jets).to(device);
}

std::int64_t ResidentJets::bytes(const JetSet& set, const Task& task) {
  constexpr std::int64_t number = sizeof(double);
  const std::int64_t of_jet = set.weight.empty() ? 2 : 3;
  return number * (num_rows(set, task) * (4 + task.n_scalar) + set.num_jets() * of_jet);
}

/// Part by part, so that the processor's memory need not hold a second copy of all.
void ResidentJets::fill_nodes() {
  constexpr std::int64_t part = 1 << 18, grain = 1 << 12;
  const auto total = p4_.size(0);
  for (std::int64_t first = 0; first < total; first += part) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(part, total - first)));
    std::iota(rows.begin(), rows.end(), first);
    const auto count = static_cast<std::int64_t>(rows.size());
    auto p4 = at::empty({count, 4}, at::kDouble);
    auto scalars = at::empty({count, task_.n_scalar}, at::kDouble);
    auto* const p = p4.mutable_data_ptr<double>();
    auto* const s = scalars.mutable_data_ptr<double>();
    at::parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
      const auto own = std::span<const std::int64_t>(rows).subspan(
          static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
      write_nodes(set_, task_, own, p + 4 * begin, s + task_.n_scalar * begin);
    });
    p4_.narrow(0, first, count).copy_(p4);
    scalars_.narrow(0, first, count).copy_(scalars);
  }
}

/// [P + J] int64 on the device: both in one copy, which waits for nothing where the memory is
/// pinned.
at::Tensor ResidentJets::send(std::span<const std::int64_t> rows,
                              std::span<const std::int64_t> jets) const {
  const auto count = static_cast<std::int64_t>(rows.size() + jets.size());
  const auto numbers =
      at::empty({count}, at::TensorOptions(at::kLong).pinned_memory(p4_.is_cuda()));
  auto* const out = numbers.mutable_data_ptr<std::int64_t>();
  std::copy(jets.begin(), jets.end(), std::copy(rows.begin(), rows.end(), out));
  return numbers.to(p4_.device(), /*non_blocking=*/true);
}

Batch ResidentJets::batch(std::span<const std::int64_t> indices, const PoolingRule& rule,
                          bool for_training, std::span<const std::int64_t> step) const {
  auto [batch, rows, n_nodes] = lay_out(set_, indices, task_, rule, for_training, step);
  const auto numbers = send(rows, indices);
  const auto nodes = numbers.narrow(0, 0, batch.offsets.back());
  const auto jets = numbers.narrow(0, batch.offsets.back(), batch.num_jets());
  batch.p4 = p4_.index_select(0, nodes);
  batch.scalars = scalars_.index_select(0, nodes);
  batch.label = label_.index_select(0, jets);
  if (weight_.defined()) batch.weight = weight_.index_select(0, jets);
  batch.n_nodes = n_nodes ? at::full({batch.num_jets(), 1}, *n_nodes, size_.options())
                          : size_.index_select(0, jets);
  return batch;
}

}  // namespace lorentznet
