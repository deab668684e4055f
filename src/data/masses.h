#pragma once

#include <optional>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// |m|, in GeV, of a four-momentum (E, px, py, pz). Towers are massless up to rounding, so the
/// result depends on the order of the operations. It is the published program's,
/// 2 E^2 - (E^2 + px^2 + py^2 + pz^2), in double from the stored values.
double invariant_mass(const double* p4);

/// The quartiles of at most 2,000 jets, spread evenly over the set. Empty if a network does not see
/// the masses: the jets have scalars of their own, or species instead.
std::optional<MassQuartiles> mass_quartiles(const JetSet& jets);

/// Whether the median of `found` is further than a factor of ten from what lies between the
/// quartiles of `trained`, the masses that a network was trained on. Below 1e-6 E all masses count
/// as the same: their scalar, log(1 + m), is 1e-4 at most for particles of up to 100 GeV.
bool masses_differ(const MassQuartiles& found, const MassQuartiles& trained);

}  // namespace lorentznet
