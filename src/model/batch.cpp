#include "lorentznet/batch.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <bitset>
#include <limits>
#include <numeric>
#include <optional>

#include "data/nodes.h"
#include "kernels/transfer.h"
#include "lorentznet/error.h"
#include "model/resident_jets.h"

namespace lorentznet {
namespace {

/// Columns of the padded file layout in which any of the jets has a constituent.
std::int64_t occupied_columns(const JetSet& set, std::span<const std::int64_t> jets) {
  std::bitset<std::numeric_limits<std::int16_t>::max() + 1> columns;
  for (const auto jet : jets) {
    for (auto p = set.offsets[jet]; p < set.offsets[jet + 1]; ++p) {
      columns.set(static_cast<std::size_t>(set.column[p]));
    }
  }
  return static_cast<std::int64_t>(columns.count());
}

/// n_nodes of all jets of a batch; empty: each jet's own number.
std::optional<std::int64_t> common_n_nodes(const JetSet& set, std::span<const std::int64_t> step,
                                           const Task& task, const PoolingRule& rule) {
  switch (rule.pooling) {
    case Pooling::kBatch:
      return num_rows(set, task) - set.num_constituents() + occupied_columns(set, step);
    case Pooling::kConstant:
      return rule.n_nodes;
    case Pooling::kJet:
      break;
  }
  return std::nullopt;
}

/// `value` of each of `jets`: [J].
template <typename T, typename F>
at::Tensor of_each(std::span<const std::int64_t> jets, at::ScalarType type, F value) {
  auto tensor = at::empty({static_cast<std::int64_t>(jets.size())}, type);
  std::transform(jets.begin(), jets.end(), tensor.mutable_data_ptr<T>(),
                 [&](std::int64_t jet) { return static_cast<T>(value(jet)); });
  return tensor;
}

at::Tensor labels_of(const JetSet& set, std::span<const std::int64_t> jets) {
  return of_each<std::int64_t>(jets, at::kLong, [&](std::int64_t jet) { return set.label[jet]; });
}

/// Undefined where `set` has no weights.
at::Tensor weights_of(const JetSet& set, std::span<const std::int64_t> jets) {
  if (set.weight.empty()) return {};
  return of_each<double>(jets, at::kDouble, [&](std::int64_t jet) { return set.weight[jet]; });
}

/// [J, 1] numbers of nodes.
at::Tensor sizes_of(const JetSet& set, std::span<const std::int64_t> jets, const Task& task) {
  const auto size = [&](std::int64_t jet) { return num_nodes(set, jet, task); };
  return of_each<double>(jets, at::kDouble, size).unsqueeze(1);
}

/// A batch without its tensors.
struct BatchLayout {
  Batch batch;
  std::vector<std::int64_t> rows;       ///< [P] of its nodes (nodes.h)
  std::optional<std::int64_t> n_nodes;  ///< of all its jets; empty: each jet's own number
};

/// Whether each of `jets` is one of `set`, and has nodes.
void check_jets_of_batch(const JetSet& set, std::span<const std::int64_t> jets, const Task& task) {
  for (const auto jet : jets) {
    if (jet < 0 || jet >= set.num_jets()) {
      throw InputError(c10::str("jet ", jet, " of a set of ", set.num_jets(), " jets"));
    }
    if (set.multiplicity(jet) < 0) {
      throw InputError(c10::str(set.describe(jet), ": has the offsets ", set.offsets[jet], " and ",
                                set.offsets[jet + 1]));
    }
    if (num_nodes(set, jet, task) > 0) continue;
    throw InputError(set.describe(jet) + ": has no constituents, and the task has no beams");
  }
}

/// Arguments and errors are make_batch's.
BatchLayout lay_out(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                    const PoolingRule& rule, bool for_training,
                    std::span<const std::int64_t> step) {
  TORCH_CHECK(!indices.empty(), "a batch needs at least one jet");
  check_jets_of_batch(set, indices, task);
  if (rule.pooling == Pooling::kBatch) check_jets_of_batch(set, step, task);
  if (rule.pooling == Pooling::kConstant && rule.n_nodes < 1) {
    throw InputError(c10::str("n_nodes ", rule.n_nodes, " of a constant pooling is not above 0"));
  }
  if (for_training && rule.pooling == Pooling::kConstant) {
    for (const auto jet : indices) check_fits(set, jet, task, rule.n_nodes);
  }
  BatchLayout layout;
  auto& [batch, rows, n_nodes] = layout;
  for (const auto jet : indices) {
    for (auto row = set.num_constituents(); row < num_rows(set, task); ++row) rows.push_back(row);
    for (auto row = set.offsets[jet]; row < set.offsets[jet + 1]; ++row) rows.push_back(row);
    batch.offsets.push_back(static_cast<std::int64_t>(rows.size()));
  }
  batch.jets.assign(indices.begin(), indices.end());
  n_nodes = common_n_nodes(set, step.empty() ? indices : step, task, rule);
  if (n_nodes) batch.padded_rows = batch.num_jets() * *n_nodes - batch.offsets.back();
  return layout;
}

}  // namespace

std::vector<std::int64_t> file_order(std::int64_t num_jets) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(num_jets));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training, std::span<const std::int64_t> step) {
  check_arrays(set, task);
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
  copy.p4 = send(p4, device);
  copy.scalars = send(scalars, device);
  copy.label = send(label, device);
  if (weight.defined()) copy.weight = send(weight, device);
  copy.n_nodes = send(n_nodes, device);
  return copy;
}

ResidentJets::ResidentJets(const JetSet& set, const Task& task, const at::Device& device)
    : set_(set), task_(task) {
  check_arrays(set, task);
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
  const std::int64_t numbers_of_jet = set.weight.empty() ? 2 : 3;
  return static_cast<std::int64_t>(sizeof(double)) *
         (num_rows(set, task) * (4 + task.n_scalar) + set.num_jets() * numbers_of_jet);
}

/// Part by part: the processor's memory holds no second copy of everything.
void ResidentJets::fill_nodes() {
  constexpr std::int64_t kPart = 1 << 18, kGrain = 1 << 12;
  const auto total = p4_.size(0);
  for (std::int64_t first = 0; first < total; first += kPart) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(kPart, total - first)));
    std::iota(rows.begin(), rows.end(), first);
    const auto count = static_cast<std::int64_t>(rows.size());
    auto p4 = at::empty({count, 4}, at::kDouble);
    auto scalars = at::empty({count, task_.n_scalar}, at::kDouble);
    auto* const p = p4.mutable_data_ptr<double>();
    auto* const s = scalars.mutable_data_ptr<double>();
    at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const auto own = std::span<const std::int64_t>(rows).subspan(
          static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
      write_nodes(set_, task_, own, p + 4 * begin, s + task_.n_scalar * begin);
    });
    p4_.narrow(0, first, count).copy_(p4);
    scalars_.narrow(0, first, count).copy_(scalars);
  }
}

Batch ResidentJets::batch(std::span<const std::int64_t> indices, const PoolingRule& rule,
                          bool for_training, std::span<const std::int64_t> step) const {
  auto [batch, rows, n_nodes] = lay_out(set_, indices, task_, rule, for_training, step);
  rows.insert(rows.end(), indices.begin(), indices.end());  // one copy for both
  const auto numbers = send(rows, p4_.device());
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
