#pragma once

#include <algorithm>
#include <vector>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// How a launch of EdgeForward covers a batch.
struct EdgePlan {
  unsigned grid;
  int window;  ///< rows of senders in shared memory, of the block that needs most
  unsigned long shared_bytes;
};

/// \param offsets  [J+1] jet j has the nodes offsets[j] .. offsets[j+1] - 1
/// \param split    warps that share a tile of receivers
template <typename Kernel>
EdgePlan plan_edges(const std::vector<int>& offsets, int split) {
  const int rows = Kernel::kWarps / split * kTileRows, nodes = offsets.back();
  int window = 0;
  auto jet = offsets.begin();  // whose nodes the block begins with
  for (int first = 0; first < nodes; first += rows) {
    jet = std::upper_bound(jet, offsets.end(), first) - 1;
    const int last = std::min(nodes, first + rows) - 1;
    window = std::max(window, *std::upper_bound(jet, offsets.end(), last) - *jet);
  }
  return {.grid = static_cast<unsigned>((nodes + rows - 1) / rows),
          .window = window,
          .shared_bytes = Kernel::shared_bytes(window, split)};
}

}  // namespace lorentznet::cuda
