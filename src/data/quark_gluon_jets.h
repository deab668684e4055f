#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "data/jet_builder.h"

namespace lorentznet {

/// Four-momentum (E, px, py, pz) [GeV] from transverse momentum [GeV], rapidity, azimuth and mass
/// [GeV], in double: with E_T = sqrt(pT^2 + m^2), E = E_T cosh y, px = pT cos phi, py = pT sin phi
/// and pz = E_T sinh y. The inputs of the published network were computed with these operations in
/// this order.
std::array<double, 4> four_momentum(double pt, double rapidity, double phi, double mass);

/// Adds a jet of an EnergyFlow quark/gluon file to `builder`.
/// constituents: [width, 4] = (pT [GeV], rapidity, azimuth, PDG id), zeros in empty rows;
/// label: quark 1, gluon 0, or none. \throws BadJet
void append_quark_gluon_jet(JetBuilder& builder, const double* constituents, std::int64_t width,
                            std::optional<double> label);

}  // namespace lorentznet
