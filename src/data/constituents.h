#pragma once

#include <array>
#include <numbers>
#include <span>

namespace lorentznet {

// What a network is told of one constituent or beam, and which constituents there can't be. The
// same bits on every machine: no function of the mathematics library is used but the square root.

inline constexpr double kMaxEnergy = 1e12;   ///< [GeV] above any accelerator or cosmic ray
inline constexpr double kMinEnergy = 1e-15;  ///< [GeV] far below a photon of visible light

enum class MomentumFault {
  kNone,
  kNotFinite,
  kNotPositive,  ///< energy
  kOutOfRange,   ///< energy: not between kMinEnergy and kMaxEnergy
  kTooFast,      ///< more momentum than energy, by 1 %: files have few digits, but (px, py, pz, E)
                 ///< and (pT, y, phi, id) in place of (E, px, py, pz) are found
};

/// What is wrong with the four-momentum (E, px, py, pz) of a constituent.
MomentumFault fault_of(const double* p4);

/// |m|, in GeV, of a four-momentum (E, px, py, pz). Towers are massless up to rounding, so the
/// result depends on the order of the operations. It is the published program's,
/// 2 E^2 - (E^2 + px^2 + py^2 + pz^2), in double from the stored values.
double invariant_mass(const double* p4);

/// psi(m) = sign(m) log(1 + |m|) of a mass [GeV], 0 to kMaxEnergy.
double psi_of_mass(double mass);

/// The beams' four-momenta: mass 1, along z (the published program's choice).
inline constexpr int kNumBeams = 2;
inline constexpr std::array<std::array<double, 4>, kNumBeams> kBeams = {
    {{std::numbers::sqrt2, 0, 0, 1}, {std::numbers::sqrt2, 0, 0, -1}}};

/// The scalars [S] of a constituent in top tagging: its own (`given`), or psi of its mass if it has
/// none; then zeros.
void encode_top_constituent(const double* p4, std::span<const double> given,
                            std::span<double> scalars);
/// The scalars [S] of a beam in top tagging: zeros, then psi(1).
void encode_top_beam(std::span<double> scalars);

/// The scalars of a particle in quark/gluon tagging: one-hot of its species (particles.h), or zeros
/// if `species` is -1.
void encode_species(int species, std::span<double> scalars);

}  // namespace lorentznet
