#include "lorentznet/batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <array>
#include <numbers>
#include <set>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::int64_t kNumBeams = 2;

/// The beams' four-momenta: mass 1, along z (the published program's choice).
constexpr std::array<std::array<double, 4>, kNumBeams> kBeams = {
    {{std::numbers::sqrt2, 0, 0, 1}, {std::numbers::sqrt2, 0, 0, -1}}};

std::int64_t num_beams(const Task& task) { return task.beam_scalars.empty() ? 0 : kNumBeams; }

/// Lays out jets of a set one after the other.
class BatchBuilder {
 public:
  BatchBuilder(const JetSet& set, const Task& task) : set_(set), task_(task) {}

  void add_jet(std::int64_t jet) {
    if (!task_.beam_scalars.empty()) add_beams();
    for (auto p = set_.offsets[jet]; p < set_.offsets[jet + 1]; ++p) add_constituent(p);
    label_.push_back(set_.label[jet]);
    if (!set_.weight.empty()) weight_.push_back(set_.weight[jet]);
    offsets_.push_back(static_cast<std::int64_t>(p4_.size() / 4));
  }

  Batch finish(std::span<const std::int64_t> indices) && {
    Batch batch;
    const auto nodes = offsets_.back();
    batch.p4 = at::tensor(p4_, at::kDouble).view({nodes, 4});
    batch.scalars = at::tensor(scalars_, at::kDouble).view({nodes, task_.n_scalar});
    batch.label = at::tensor(label_, at::kLong);
    if (!weight_.empty()) batch.weight = at::tensor(weight_, at::kDouble);
    batch.offsets = std::move(offsets_);
    batch.jets.assign(indices.begin(), indices.end());
    return batch;
  }

 private:
  void add_beams() {
    for (const auto& beam : kBeams) {
      p4_.insert(p4_.end(), beam.begin(), beam.end());
      scalars_.insert(scalars_.end(), task_.beam_scalars.begin(), task_.beam_scalars.end());
    }
  }

  void add_constituent(std::int64_t p) {
    const auto begin = set_.p4.begin() + 4 * p;
    p4_.insert(p4_.end(), begin, begin + 4);
    scalars_.resize(scalars_.size() + static_cast<std::size_t>(task_.n_scalar));
    task_.encode(set_, p, std::span(scalars_).last(static_cast<std::size_t>(task_.n_scalar)));
  }

  const JetSet& set_;
  const Task& task_;
  std::vector<double> p4_, scalars_, weight_;
  std::vector<std::int64_t> offsets_{0}, label_;
};

/// Number of columns of the padded file layout in which any of the jets has a constituent.
std::int64_t occupied_columns(const JetSet& set, std::span<const std::int64_t> indices) {
  std::set<std::int16_t> columns;
  for (const auto jet : indices) {
    for (auto p = set.offsets[jet]; p < set.offsets[jet + 1]; ++p) columns.insert(set.column[p]);
  }
  return static_cast<std::int64_t>(columns.size());
}

void set_n_nodes(Batch& batch, std::int64_t width) {
  batch.n_nodes = at::empty({batch.num_jets(), 1}, at::kDouble).fill_(static_cast<double>(width));
  batch.padded_rows = batch.num_jets() * width - batch.offsets.back();
}

}  // namespace

std::int64_t num_nodes(const JetSet& set, std::int64_t jet, const Task& task) {
  return num_beams(task) + set.multiplicity(jet);
}

void check_fits(const JetSet& set, std::int64_t jet, const Task& task, std::int64_t n_nodes) {
  const auto nodes = num_nodes(set, jet, task);
  if (nodes <= n_nodes) return;
  throw InputError(fmt::format("{}: has {} nodes, more than n_nodes = {} (see --n_nodes)",
                               set.describe(jet), nodes, n_nodes));
}

Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training, std::span<const std::int64_t> step) {
  TORCH_CHECK(!indices.empty(), "a batch needs at least one jet");
  BatchBuilder builder(set, task);
  for (const auto jet : indices) builder.add_jet(jet);
  Batch batch = std::move(builder).finish(indices);

  switch (rule.pooling) {
    case Pooling::kBatch:
      set_n_nodes(batch, num_beams(task) + occupied_columns(set, step.empty() ? indices : step));
      break;
    case Pooling::kConstant:
      if (for_training) {
        for (const auto jet : indices) check_fits(set, jet, task, rule.n_nodes);
      }
      set_n_nodes(batch, rule.n_nodes);
      break;
    case Pooling::kJet: {
      std::vector<double> nodes;
      for (const auto jet : indices) {
        nodes.push_back(static_cast<double>(num_nodes(set, jet, task)));
      }
      batch.n_nodes = at::tensor(nodes, at::kDouble).unsqueeze(1);
      break;
    }
  }
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
