#pragma once

#include <ATen/core/Tensor.h>

namespace lorentznet {

/// Consecutive rows that belong together: the edges that a node receives, the nodes of a jet.
struct Segments {
  at::Tensor offsets;  ///< [S+1] int64, segment s owns rows offsets[s] .. offsets[s+1] - 1
  at::Tensor of_row;   ///< [N] int64, the segment of each row
};

// With gradients. All sums are added in the order of their rows, without atomics, so that a device
// gives the same bits in each run.

/// Sums over the rows of each segment: [N, C] -> [S, C].
at::Tensor sum_rows(const at::Tensor& rows, const Segments& segments);

/// Each row's segment's value: [S, C] -> [N, C].
at::Tensor spread_to_rows(const at::Tensor& values, const Segments& segments);

/// rows[order] of spread_to_rows(values, segments), for an order that is its own inverse.
/// \param owner [N] int64, of_row[order]
at::Tensor spread_in_order(const at::Tensor& values, const Segments& segments,
                           const at::Tensor& order, const at::Tensor& owner);

}  // namespace lorentznet
