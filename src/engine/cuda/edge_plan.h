#pragma once

#include <algorithm>

#include "cuda_primitives.h"
#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// How a launch of EdgeForward covers a batch.
struct EdgePlan {
  unsigned grid;
  int window;  ///< rows of senders in shared memory, of the block that needs most
  unsigned long shared_bytes;
};

/// \param span  [P] first node and end of each node's jet
template <typename Kernel>
EdgePlan plan_edges(const int2* span, int nodes, int split) {
  const int rows = Kernel::kWarps / split * kTileRows;
  int window = 0;
  for (int first = 0; first < nodes; first += rows) {
    window = std::max(window, span[std::min(nodes, first + rows) - 1].y - span[first].x);
  }
  return {.grid = static_cast<unsigned>((nodes + rows - 1) / rows),
          .window = window,
          .shared_bytes = Kernel::shared_bytes(window, split)};
}

}  // namespace lorentznet::cuda
