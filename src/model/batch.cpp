#include "lorentznet/batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <numeric>

#include "data/nodes.h"
#include "model/batch_layout.h"

namespace lorentznet {

std::vector<std::int64_t> file_order(std::int64_t num_jets) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(num_jets));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training, std::span<const std::int64_t> step) {
  auto [batch, rows, n_nodes] = lay_out(set, indices, task, rule, for_training, step);
  const auto nodes = batch.offsets.back();
  batch.p4 = at::empty({nodes, 4}, at::kDouble);
  batch.scalars = at::empty({nodes, task.n_scalar}, at::kDouble);
  write_nodes(set, task, rows, batch.p4.mutable_data_ptr<double>(),
              batch.scalars.mutable_data_ptr<double>());
  batch.label = labels_of(set, indices);
  batch.weight = weights_of(set, indices);
  batch.n_nodes = n_nodes ? at::full({batch.num_jets(), 1}, *n_nodes, at::kDouble)
                          : sizes_of(set, indices, task);
  return batch;
}

Batch Batch::to(const at::Device& device) const {
  Batch copy = *this;
  copy.p4 = p4.to(device);
  copy.scalars = scalars.to(device);
  copy.label = label.to(device);
  if (weight.defined()) copy.weight = weight.to(device);
  copy.n_nodes = n_nodes.to(device);
  return copy;
}

}  // namespace lorentznet
