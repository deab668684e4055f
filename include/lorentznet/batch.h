#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// How a jet's embeddings are pooled: they are summed and divided by n_nodes.
///
/// The published program lays jets out in padded rows, and its n_nodes counts the padding.
enum class Pooling {
  kBatch,     ///< 2 beams + the columns in which any jet of the batch has a constituent
  kConstant,  ///< a constant of the model
  kJet,       ///< the jet's own number of nodes: no padding enters
};

struct PoolingRule {
  Pooling pooling = Pooling::kJet;
  std::int64_t n_nodes = 0;  ///< the constant of Pooling::kConstant
};

/// J jets as the network takes them, laid end to end: P nodes in all, beams included.
struct Batch {
  std::vector<std::int64_t> offsets{0};  ///< [J+1] jet j owns nodes offsets[j] .. offsets[j+1] - 1
  at::Tensor p4;                         ///< [P, 4] double, four-momenta (E, px, py, pz) [GeV]
  at::Tensor scalars;                    ///< [P, S] double, input scalars of each node
  at::Tensor label;                      ///< [J] int64; -1: not known
  at::Tensor weight;                     ///< [J] double; undefined: 1 each
  at::Tensor n_nodes;                    ///< [J, 1] double, divisor of each jet's pooled embedding
  std::int64_t padded_rows = 0;          ///< rows of padding that count in training statistics
  std::vector<std::int64_t> jets;        ///< [J] the jets' indices in their JetSet

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  /// A copy on `device`.
  Batch to(const at::Device& device) const;
};

/// Nodes of a jet of `set`: its constituents, and the beams of a task that has them.
std::int64_t num_nodes(const JetSet& set, std::int64_t jet, const Task& task);

/// Padding to a constant n_nodes is part of the training statistics, so a training jet must fit.
/// \throws InputError naming the jet if it has more than `n_nodes` nodes
void check_fits(const JetSet& set, std::int64_t jet, const Task& task, std::int64_t n_nodes);

/// Gathers jets of `set` into a batch: adds the beams (of tasks that have them) before each jet's
/// constituents, computes the input scalars and n_nodes.
///
/// \param indices  jets of `set`, at least one
/// \param step     the jets whose columns Pooling::kBatch counts, where `indices` are a part of
///                 them: those of a step of training over all ranks. Empty: `indices`
/// \throws InputError naming the jet if one has more nodes than the constant n_nodes while
///         `for_training`, where padding to that width is part of the statistics
Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training,
                 std::span<const std::int64_t> step = {});

}  // namespace lorentznet
