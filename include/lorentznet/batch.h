#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// J jets as the network takes them, laid end to end: P nodes in total, including beams.
struct Batch {
  std::vector<std::int64_t> offsets{0};  ///< [J+1] jet j owns nodes offsets[j] .. offsets[j+1] - 1
  at::Tensor p4;                         ///< [P, 4] double, four-momenta (E, px, py, pz) [GeV]
  at::Tensor scalars;                    ///< [P, S] double, input scalars of each node
  at::Tensor label;                      ///< [J] int64; -1: unknown
  at::Tensor weight;                     ///< [J] double; undefined: all 1
  at::Tensor n_nodes;                    ///< [J, 1] double, divisor of each jet's pooled embedding
  std::int64_t padded_rows = 0;          ///< rows of padding in the statistics of training
  std::vector<std::int64_t> jets;        ///< [J] the jets' indices in their JetSet

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  /// A copy on `device`.
  Batch to(const at::Device& device) const;
};

/// 0 .. num_jets-1.
std::vector<std::int64_t> file_order(std::int64_t num_jets);

/// Gathers jets of `set` into a batch: adds the task's beams, if any, before each jet's
/// constituents, and computes the input scalars and n_nodes.
///
/// \param indices  jets of `set`, at least one
/// \param step     the jets whose columns Pooling::kBatch counts, of which `indices` are a part:
///                 those of a training step over all ranks. Empty: `indices`
/// \throws InputError naming the jet if it is not one of `set`, has no nodes, or, `for_training`,
///         more of them than the constant n_nodes: padding to that width is part of the training
///         statistics; also if arrays of `set` do not fit each other or `task`
Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training,
                 std::span<const std::int64_t> step = {});

/// The frame in which a test sees the jets: boosted, and rotated before.
struct Frame {
  enum class Axis { kX, kY, kZ, kRandom };
  static constexpr std::array kAxisNames = {"x", "y", "z", "random"};  ///< in the order of Axis

  double beta = 0;         ///< velocity of the boost, |beta| < 1
  Axis axis = Axis::kX;    ///< kRandom: each jet has its own direction
  bool rotates = false;    ///< each jet is rotated at random
  std::uint64_t seed = 0;  ///< of axes and rotations; those of a jet depend on its index alone

  bool moves() const { return beta != 0 || rotates; }
  const char* axis_name() const { return kAxisNames.at(static_cast<std::size_t>(axis)); }
};

}  // namespace lorentznet
