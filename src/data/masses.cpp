#include "data/masses.h"

#include <algorithm>
#include <vector>

#include "data/constituents.h"

namespace lorentznet {

std::optional<MassQuartiles> mass_quartiles(const JetSet& jets) {
  constexpr std::int64_t kMostJets = 2000;
  if (jets.num_scalars() > 0 || !jets.species.empty()) return std::nullopt;
  const auto step = std::max<std::int64_t>((jets.num_jets() + kMostJets - 1) / kMostJets, 1);
  std::vector<double> ratios;  // m/E
  for (std::int64_t jet = 0; jet < jets.num_jets(); jet += step) {
    for (auto row = jets.offsets[jet]; row < jets.offsets[jet + 1]; ++row) {
      const double* const p4 = jets.p4.data() + 4 * row;
      ratios.push_back(invariant_mass(p4) / p4[0]);
    }
  }
  if (ratios.empty()) return std::nullopt;
  const auto quartile = [&](std::size_t quarters) {
    const auto place =
        ratios.begin() + static_cast<std::ptrdiff_t>((ratios.size() - 1) * quarters / 4);
    std::nth_element(ratios.begin(), place, ratios.end());
    return *place;
  };
  return MassQuartiles{.lower = quartile(1), .median = quartile(2), .upper = quartile(3)};
}

bool masses_differ(const MassQuartiles& found, const MassQuartiles& trained) {
  constexpr double kSmallest = 1e-6, kFactor = 10;
  const double median = std::max(found.median, kSmallest);
  return median < std::max(trained.lower, kSmallest) / kFactor ||
         median > std::max(trained.upper, kSmallest) * kFactor;
}

}  // namespace lorentznet
