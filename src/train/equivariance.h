#pragma once

#include <cstdint>
#include <vector>

#include "io/json.h"
#include "lorentznet/evaluate.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

struct EquivarianceOptions {
  std::int64_t jets = 0;           ///< the first ones of the set, all labelled
  std::vector<double> betas = {};  ///< of the boosts
  Frame frame = {};                ///< axis, rotation and seed of all frames
  std::int64_t batch_size = 32;
};

/// What changes a network's scores when the jets are boosted: rounding or the clamp of
/// translations.
///
/// The network scores the jets at rest and in each frame, in three precisions (all in float; as in
/// the programs, coordinates in double; all in double), each with the clamp and without. Each
/// variant is compared with itself at rest. Double without clamp shows the rounding of double,
/// float adds that of float, and the clamp adds the broken symmetry.
///
/// \return {jets, axis, rotated, seed, frames: [{beta, gamma, variants: {"float, clamp": {acc,
/// loss,
///         rms_shift, max_shift, clamped}, ...}}]}. The first frame is at rest, a shift is of p1,
///         and clamped is the fraction of translations that reach the bound, or, without the clamp,
///         would reach it.
Json study_equivariance(LorentzNet& model, const JetSet& set, const Task& task,
                        const PoolingRule& rule, const EquivarianceOptions& options,
                        const Log& log);

}  // namespace lorentznet
