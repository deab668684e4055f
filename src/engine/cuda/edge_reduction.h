#pragma once

#include <algorithm>

#include "engine/cuda/edge_gradients.h"
#include "engine/cuda/edge_norm_backward.h"

namespace lorentznet::cuda {

/// All that follows EdgeBackward in a launch: what nodes get of its parts (EdgeColumns), the
/// gradients of the layer's parameters (EdgeGradients), and, by the last block to finish, those of
/// phi_e's batch norm.
template <int H, bool kMoves>
struct EdgeReduction {
  using Columns = EdgeColumns<H, kMoves>;
  using Gradients = EdgeGradients<H, kMoves>;
  using Norm = EdgeNormGradients<H>;

  struct Params {
    typename Columns::Params columns;
    typename Gradients::Params gradients;
    typename Norm::Params norm;
    bool alone;        ///< no other rank has edges: the batch norm's gradients are made here
    unsigned* ticket;  ///< [1] 0, also after the launch
  };
  static constexpr int kThreads = Columns::kThreads, kMinBlocks = 1;
  static_assert(kThreads == Gradients::kThreads);
  static unsigned blocks(int nodes) {
    return static_cast<unsigned>(Gradients::kBlocks + Columns::blocks(nodes) +
                                 Columns::pull_blocks(nodes));
  }
  static unsigned long shared_bytes() {
    return std::max<unsigned long>(
        {Columns::shared_bytes(), Gradients::shared_bytes(), Norm::shared_bytes()});
  }

  static __device__ __forceinline__ void run(const Params& p) {
    const int block = static_cast<int>(blockIdx.x);  // those with most to do come first
    const int of_columns = block - Gradients::kBlocks;
    const int of_pulls = of_columns - Columns::blocks(p.columns.nodes);
    bool has_sums = false;
    if (of_columns < 0) {
      has_sums = Gradients::run(p.gradients, block);
    } else if (of_pulls < 0) {
      has_sums = Columns::add(p.columns, of_columns);
    } else {
      Columns::pull(p.columns, of_pulls);
    }
    // Two blocks have sums for the batch norm: of nodes, and of pairs.
    if (!has_sums || !p.alone || !is_last(p.ticket, 2)) return;
    Norm::template run<kThreads>(p.norm);
  }
};

}  // namespace lorentznet::cuda
