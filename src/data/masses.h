#pragma once

#include <optional>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// The quartiles of at most 2,000 jets, spread evenly over the set. Empty if a network does not see
/// the masses: the jets have scalars of their own, or species instead.
std::optional<MassQuartiles> mass_quartiles(const JetSet& jets);

/// Whether the median of `found` is further than a factor of ten from what lies between the
/// quartiles of `trained`, the masses that a network was trained on. Below 1e-6 E all masses count
/// as the same: their scalar, log(1 + m), is 1e-4 at most for particles of up to 100 GeV.
bool masses_differ(const MassQuartiles& found, const MassQuartiles& trained);

}  // namespace lorentznet
