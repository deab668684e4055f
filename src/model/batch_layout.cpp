#include "model/batch_layout.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <bitset>
#include <limits>

#include "data/nodes.h"

namespace lorentznet {
namespace {

/// Number of columns of the padded file layout in which any of the jets has a constituent.
std::int64_t occupied_columns(const JetSet& set, std::span<const std::int64_t> indices) {
  std::bitset<std::numeric_limits<std::int16_t>::max() + 1> columns;
  for (const auto jet : indices) {
    for (auto p = set.offsets[jet]; p < set.offsets[jet + 1]; ++p) {
      columns.set(static_cast<std::size_t>(set.column[p]));
    }
  }
  return static_cast<std::int64_t>(columns.count());
}

/// n_nodes of each jet of a batch; empty: the jet's own number.
std::optional<std::int64_t> n_nodes_of(const JetSet& set, std::span<const std::int64_t> step,
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

/// `value` of each of `jets`, as [J].
template <typename T, typename F>
at::Tensor of_each(std::span<const std::int64_t> jets, at::ScalarType type, F value) {
  auto tensor = at::empty({static_cast<std::int64_t>(jets.size())}, type);
  std::transform(jets.begin(), jets.end(), tensor.mutable_data_ptr<T>(),
                 [&](std::int64_t jet) { return static_cast<T>(value(jet)); });
  return tensor;
}

}  // namespace

at::Tensor labels_of(const JetSet& set, std::span<const std::int64_t> jets) {
  return of_each<std::int64_t>(jets, at::kLong, [&](std::int64_t jet) { return set.label[jet]; });
}

at::Tensor weights_of(const JetSet& set, std::span<const std::int64_t> jets) {
  if (set.weight.empty()) return {};
  return of_each<double>(jets, at::kDouble, [&](std::int64_t jet) { return set.weight[jet]; });
}

at::Tensor sizes_of(const JetSet& set, std::span<const std::int64_t> jets, const Task& task) {
  const auto size = [&](std::int64_t jet) { return num_nodes(set, jet, task); };
  return of_each<double>(jets, at::kDouble, size).unsqueeze(1);
}

BatchLayout lay_out(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                    const PoolingRule& rule, bool for_training,
                    std::span<const std::int64_t> step) {
  TORCH_CHECK(!indices.empty(), "a batch needs at least one jet");
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
  n_nodes = n_nodes_of(set, step.empty() ? indices : step, task, rule);
  if (n_nodes) batch.padded_rows = batch.num_jets() * *n_nodes - batch.offsets.back();
  return layout;
}

}  // namespace lorentznet
