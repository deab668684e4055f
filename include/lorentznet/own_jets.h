#pragma once

#include <cstdint>
#include <filesystem>

#include "lorentznet/bad_jets.h"
#include "lorentznet/jets.h"

namespace lorentznet {

/// Reads the first `max_jets` jets (-1: all) of a user's own file, an .npz or an HDF5 file with, of
/// N jets of up to M particles,
/// - `X` [N, M, 4] = (E, px, py, pz) in GeV, rows of zeros where there is no particle;
/// and, each optional,
/// - `y` [N], the class of each jet, 0 .. K-1 (at most 127 classes); without it labels are -1;
/// - `scalars` [N, M, S], input scalars of the particles, taken as they are;
/// - `weight` [N], not negative;
/// - `id` [N], integers.
///
/// Numbers may be of any type and size that numpy and HDF5 know as little-endian; 64-bit integers
/// beyond 2^53 are exact in `id` only. Memory: the particles, and some rows of the padded file.
///
/// Throws InputError with one line that names the file, and the jet where it is a jet's fault (see
/// BadJetRule), and std::invalid_argument for max_jets < -1.
JetSet read_own_jets(const std::filesystem::path& file, std::int64_t max_jets = -1,
                     const BadJetRule& rule = {});

}  // namespace lorentznet
