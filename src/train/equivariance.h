#pragma once

#include <cstdint>
#include <vector>

#include "io/json.h"
#include "lorentznet/evaluate.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

struct EquivarianceOptions {
  std::int64_t jets = 0;           ///< the first ones of the set
  std::vector<double> betas = {};  ///< of the boosts
  Frame frame = {};                ///< axis, rotation and seed of all frames
  std::int64_t batch_size = 32;
};

/// What moves a network's answers when the jets are boosted: rounding or the clamp of translations.
///
/// The network computes the jets at rest and in each frame, in three precisions (all in float; as
/// the programs do, coordinates in double; all in double), each with the clamp and without. A way
/// of computing is compared with itself at rest, so what double without clamp leaves is rounding,
/// what float adds is float's rounding, and what the clamp adds is the broken symmetry.
///
/// \return {jets, axis, rotated, seed, frames: [{beta, gamma, variants: {"float, clamp": {acc,
/// loss,
///         rms_shift, max_shift, clamped}, ...}}]}; a shift is of p1, clamped the fraction of
///         translations that reach the bound (or would, without the clamp). The first frame is at
///         rest.
Json study_equivariance(LorentzNet& model, const JetSet& set, const Task& task,
                        const PoolingRule& rule, const EquivarianceOptions& options,
                        const Log& log);

}  // namespace lorentznet
