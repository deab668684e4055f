#pragma once

#include <cstdio>
#include <functional>

#include "cuda/edge_on_device.h"

namespace lorentznet::cuda {

/// The kernels of a layer's edges in training, each by itself: milliseconds, and nanoseconds an
/// edge. \param clock  milliseconds of what it is given
template <typename Op, int H, bool kMoves>
void time_edge_training(const char* format, const JetsOfSizes& jets,
                        const std::function<float(const std::function<void()>&)>& clock) {
  const EdgeTrainingLayer layer(H, kMoves, 5);
  const EdgeLayerOnDevice<Op, H> on_device(layer);
  EdgeBatchOnDevice<Op, H, kMoves> batch(on_device, jets);
  double edges = 0;
  for (const int2 jet : jets.span) edges += jet.y - jet.x - 1;
  const auto row = [&](const char* name, const std::function<void()>& work) {
    const float time = clock(work);
    std::printf("edges in training, %-6s moves %d, %-13s: %8.4f ms, %.4f ns an edge\n", format,
                kMoves, name, time, time * 1e6 / edges);
  };
  row("EdgeForward", [&] { batch.forward(); });
  row("EdgeBackward", [&] { batch.pull_edges(); });
  row("EdgeReduction", [&] { batch.reduce(); });
  using Kernel = typename EdgeBatchOnDevice<Op, H, kMoves>::Backward;
  std::printf("  EdgeBackward: %lu bytes of shared memory, %u blocks of %d threads\n",
              Kernel::shared_bytes(), Kernel::blocks(jets.nodes()), Kernel::kThreads);
}

}  // namespace lorentznet::cuda
