#pragma once

#include <array>
#include <optional>

namespace lorentznet {

/// Number of species with a place in the quark/gluon network's one-hot scalars: their width.
inline constexpr int kNumSpecies = 8;

/// Mass [GeV] of the particle with PDG id +-`abs_pdg_id`, from EnergyFlow's particle table, with
/// which the published network was trained (constituent masses for quarks, five digits); nothing
/// for an id that is not in the table. Id 0, the empty slot of a file, has mass 0.
std::optional<double> particle_mass(int abs_pdg_id);

/// Place of a species in the network's one-hot scalars: 0..7 for e, mu, gamma, K0_L, pi+, K+, the
/// neutron and the proton, in the order {11, 13, 22, 130, 211, 321, 2112, 2212}; -1 for every
/// other id.
int species_index(int abs_pdg_id);

/// Four-momentum (E, px, py, pz) [GeV] from transverse momentum [GeV], rapidity, azimuth and mass
/// [GeV], in double: with E_T = sqrt(pT^2 + m^2), E = E_T cosh y, px = pT cos phi, py = pT sin phi
/// and pz = E_T sinh y. The inputs of the published network were computed with these operations in
/// this order.
std::array<double, 4> four_momentum(double pt, double rapidity, double phi, double mass);

}  // namespace lorentznet
