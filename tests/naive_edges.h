#pragma once

#include "kernels/kernel.h"
#include "lorentznet/lorentznet.h"
#include "model/model_state.h"

namespace lorentznet::test {

/// The edge part of an LGEB as the paper writes it, edge by edge with rows [h_i, h_j, s_ij, t_ij],
/// in evaluation mode and double: a second writing of what the kernels compute.
struct NaiveEdges {
  at::Tensor message;              ///< [P, H]
  at::Tensor translation;          ///< [P, 4], not clamped; undefined in the last layer
  double largest_translation = 0;  ///< largest |component| of an edge's translation [GeV]
};

/// \param state  of the whole network; `layer` counts from 0
NaiveEdges naive_edges(const NamedTensors& state, int layer, const LGEBState& in,
                       const JetGraph& graph);

}  // namespace lorentznet::test
