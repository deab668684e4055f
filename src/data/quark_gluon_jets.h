#pragma once

#include <cstdint>
#include <optional>

#include "data/jet_builder.h"

namespace lorentznet {

/// Adds a jet of an EnergyFlow quark/gluon file to `builder`.
/// constituents: [width, 4] = (pT [GeV], rapidity, azimuth, PDG id), zeros in empty rows;
/// label: quark 1, gluon 0, or none. \throws BadJet
void append_quark_gluon_jet(JetBuilder& builder, const double* constituents, std::int64_t width,
                            std::optional<double> label);

}  // namespace lorentznet
