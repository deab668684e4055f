#pragma once

#include <string>
#include <vector>

#include "lorentznet/lorentznet.h"

namespace lorentznet {

/// How much results of the CUDA kernels differ from those of the plain kernel.
struct GpuDifference {
  std::string of;  ///< "logits", "gradients" or "running statistics"
  double found;    ///< root of the mean square, in units of the results' own; may be NaN
  double limit;    ///< rounding stays far below it

  bool is_rounding() const { return found <= limit; }
};

/// Compares what the CUDA kernels make of a network on its GPU with what the plain kernel makes of
/// it on the CPU in double, for made-up jets. Changes neither the network nor a random generator.
/// \param trains  compares a training step, too; then of a new network, whose coordinates do not
///                move yet, a copy whose coordinates move
/// \throws std::exception  if the GPU can't run the kernels
std::vector<GpuDifference> compare_gpu_kernels(LorentzNetImpl& network, GpuPrecision precision,
                                               bool trains);

}  // namespace lorentznet
