#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "lorentznet/batch.h"

namespace lorentznet {

/// The jets of a set as tables on the device that computes: batches are gathered there, and only
/// the numbers of their nodes and jets are sent.
class ResidentJets {
 public:
  /// Fills the tables; `set` and `task` must outlive them.
  /// \throws c10::OutOfMemoryError if the device has no room for bytes(set, task)
  ResidentJets(const JetSet& set, const Task& task, const at::Device& device);

  /// Memory of the tables: 8 (4 + S) bytes per constituent and 16 bytes per jet, 24 with weights.
  static std::int64_t bytes(const JetSet& set, const Task& task);

  /// make_batch(set, indices, task, rule, for_training, step).to(device), bit for bit. Several
  /// threads may call it at the same time.
  Batch batch(std::span<const std::int64_t> indices, const PoolingRule& rule, bool for_training,
              std::span<const std::int64_t> step = {}) const;

  const JetSet& set() const { return set_; }

 private:
  void fill_nodes();

  const JetSet& set_;
  const Task& task_;
  at::Tensor p4_;       ///< [C(+2), 4] double, of C constituents and the task's beams, if any
  at::Tensor scalars_;  ///< [C(+2), S] double
  at::Tensor label_;    ///< [N] int64
  at::Tensor weight_;   ///< [N] double; undefined: 1 each
  at::Tensor size_;     ///< [N, 1] double, nodes of each jet
};

}  // namespace lorentznet
