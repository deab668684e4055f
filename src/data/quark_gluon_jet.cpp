#include "data/quark_gluon_jet.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "lorentznet/species.h"

namespace lorentznet {
namespace {

/// |PDG id| of a constituent, which the file stores as a floating-point number.
int read_abs_pdg_id(const JetBuilder& builder, std::int64_t column, double value) {
  const double size = std::abs(value);
  if (!(size <= std::numeric_limits<int>::max()) || size != std::floor(size)) {
    builder.fail("PDG id " + format_number(value) + " in column " + std::to_string(column) +
                 " is not an integer");
  }
  return static_cast<int>(size);
}

/// Mass [GeV] of the particle in `column`; id 0 is in the table, but stands for an empty slot.
double require_mass(const JetBuilder& builder, std::int64_t column, int abs_pdg_id, double pdg_id) {
  const std::optional<double> mass = particle_mass(abs_pdg_id);
  if (abs_pdg_id == 0 || !mass) {
    builder.fail("unknown PDG id " + format_number(pdg_id) + " in column " +
                 std::to_string(column));
  }
  return *mass;
}

void append_constituent(JetBuilder& builder, std::int64_t column, const double* row) {
  const double pt = row[0];
  const double pdg_id = row[3];
  if (!std::all_of(row, row + 3, [](double value) { return std::isfinite(value); })) {
    builder.fail("(pT, y, phi) = (" + format_number(pt) + ", " + format_number(row[1]) + ", " +
                 format_number(row[2]) + ") in column " + std::to_string(column) +
                 " is not finite");
  }
  if (!(pt > 0)) {
    builder.fail("pT " + format_number(pt) + " GeV in column " + std::to_string(column) +
                 ", which is not empty, is not positive");
  }
  const int abs_pdg_id = read_abs_pdg_id(builder, column, pdg_id);
  const double mass = require_mass(builder, column, abs_pdg_id, pdg_id);
  const std::array<double, 4> p4 = four_momentum(pt, row[1], row[2], mass);
  builder.add_constituent(column, p4.data(), species_index(abs_pdg_id));
}

}  // namespace

std::array<double, 4> four_momentum(double pt, double rapidity, double phi, double mass) {
  const double transverse_energy = std::sqrt(pt * pt + mass * mass);
  return {transverse_energy * std::cosh(rapidity), pt * std::cos(phi), pt * std::sin(phi),
          transverse_energy * std::sinh(rapidity)};
}

void append_quark_gluon_jet(JetBuilder& builder, const double* constituents, std::int64_t width,
                            double label) {
  for (std::int64_t column = 0; column < width; ++column) {
    const double* row = constituents + 4 * column;
    const bool empty = std::all_of(row, row + 4, [](double value) { return value == 0; });
    if (!empty) append_constituent(builder, column, row);
  }
  builder.end_jet(label);
}

}  // namespace lorentznet
