#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/bad_jets.h"
#include "lorentznet/jets.h"

namespace lorentznet {

/// Reads the first `max_jets` jets (-1: all; fewer where the file has fewer) of an EnergyFlow
/// quark/gluon file (doi:10.5281/zenodo.3164691), in the order of the file: an .npz with
/// - `X` [N, M, 4] = (pT [GeV], rapidity, azimuth, PDG id), rows of zeros where there is nothing;
/// - `y` [N], quark 1, gluon 0.
/// of floating-point numbers of 4 or 8 bytes, stored or deflated, in C or Fortran order.
///
/// Four-momenta come from pT, y, phi and the mass of the PDG id (see particle_mass), in double.
/// Memory: the particles, and some rows of the padded file.
///
/// Throws InputError with one line that names the file, and the jet where it is a jet's fault:
/// a file that is missing, damaged or of another layout, a pT, y or phi that is not finite, a pT
/// that is not positive in a row that is not empty, PDG ids that are unknown, 0 or no integers,
/// labels other than 0 and 1, jets without particles, no jets; `rule` says whether bad jets are
/// left out instead. Throws std::invalid_argument for max_jets < -1.
JetSet read_quark_gluon_jets(const std::filesystem::path& file, std::int64_t max_jets = -1,
                             const BadJetRule& rule = {});

/// The files QG_jets.npz, QG_jets_1.npz, QG_jets_2.npz, ... in `datadir`/datasets that are there,
/// in the order of their numbers; where there are none of these, those of another published set
/// (QG_jets_withbc_0.npz, QG_jets_herwig_0.npz, QG_jets_herwig_withbc_0.npz, ...). Throws
/// InputError where there is none, or where files of several other sets are.
std::vector<std::filesystem::path> find_quark_gluon_files(const std::filesystem::path& datadir);

/// Which published set the files in `datadir`/datasets are of: "qg-pythia", "qg-pythia-bc",
/// "qg-herwig", "qg-herwig-bc"; "" where there are none. Throws as find_quark_gluon_files.
std::string quark_gluon_set(const std::filesystem::path& datadir);

/// Reads files one behind the other, until `max_jets` jets (-1: all) are read, those that are left
/// out included. Throws as read_quark_gluon_jets, and std::invalid_argument without any file.
JetSet read_quark_gluon_files(const std::vector<std::filesystem::path>& files,
                              std::int64_t max_jets = -1, const BadJetRule& rule = {});

/// Splits N jets by position, as the published program does: train is the first floor(0.8 N), test
/// the next floor(0.1 N), val the last floor(0.1 N); up to two jets between test and val are in
/// none. (Python's int(.8 * N) and int(.1 * N) are exactly these integers: the doubles nearest to
/// .8 and .1 lie above them by less than what a product's rounding takes away.)
DataSplits split_by_position(const JetSet& jets);

}  // namespace lorentznet
