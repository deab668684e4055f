#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lorentznet/batch.h"

namespace lorentznet {

// What a batch has in common, whether it is gathered from a JetSet or from tables on a device.

/// [J] int64, the labels of `jets`.
at::Tensor labels_of(const JetSet& set, std::span<const std::int64_t> jets);
/// [J] double, the weights of `jets`; undefined where `set` has none.
at::Tensor weights_of(const JetSet& set, std::span<const std::int64_t> jets);
/// [J, 1] double, the numbers of nodes of `jets`.
at::Tensor sizes_of(const JetSet& set, std::span<const std::int64_t> jets, const Task& task);

/// A batch whose nodes are still to be gathered.
struct BatchLayout {
  Batch batch;                          ///< all but the tensors
  std::vector<std::int64_t> rows;       ///< [P] of its nodes
  std::optional<std::int64_t> n_nodes;  ///< of each of its jets; empty: the jet's own number
};

/// Arguments and errors are make_batch's.
BatchLayout lay_out(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                    const PoolingRule& rule, bool for_training, std::span<const std::int64_t> step);

}  // namespace lorentznet
