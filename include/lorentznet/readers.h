#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

/// Reads the first `max_jets` jets (-1: all; fewer where the file has fewer) of a file, in its
/// order. A user's own file (own_jets.h) is recognised: a zip archive, or an HDF5 file with a data
/// set X. Of top-tagging HDF5 files two layouts are, of N jets and W columns (W = 200 in the
/// published files):
/// - converted: `Nobj` [N], `Pmu` [N, W, 4] = (E, px, py, pz) in GeV, `label` [N, W] (not zero
///   where there is a particle), `is_signal` [N];
/// - as published (Top Quark Tagging Reference Dataset, doi:10.5281/zenodo.2603256): the pandas
///   table `table/table`, compressed with blosc. HDF5 needs its plugin for that (Debian package
///   hdf5-filter-plugin-blosc-serial, which is looked for beside HDF5's library and in the folders
///   of HDF5_PLUGIN_PATH).
///
/// A particle is a column with E != 0. The four-momenta are those of the file, in double; `species`
/// stays empty. Memory: the particles, and a few thousand rows of the padded file.
///
/// Throws InputError with one line that names the file, and the jet where it is a jet's fault:
/// a file that is missing, damaged or of another layout, momenta that are not finite, energies that
/// are not positive, columns in which `label` and E contradict each other, labels of jets other
/// than 0 and 1, jets without particles, no jets; `rule` says whether bad jets are left out
/// instead. Throws std::invalid_argument for max_jets < -1.
JetSet read_top_jets(const std::filesystem::path& file, std::int64_t max_jets = -1,
                     const BadJetRule& rule = {});

/// The files of the three splits, sorted by name.
struct TopSplits {
  std::vector<std::filesystem::path> train, val, test;
};

/// Finds the files NAME.h5, NAME.hdf5 and NAME.npz in `datadir` whose NAME contains "train", "val"
/// or "test". Throws
/// InputError where a name contains two of these words, or where one of the splits `needed` has no
/// file.
TopSplits find_top_files(const std::filesystem::path& datadir,
                         const std::vector<std::string>& needed = {"train", "val", "test"});

/// Reads the files of a split one behind the other. `max_jets` (-1: all) is shared out evenly: K
/// files give floor(max_jets / K) jets each, the first max_jets mod K files one more, and a file
/// that has fewer gives all it has. Each file gives its first jets. Throws as read_top_jets, and
/// std::invalid_argument without any file.
JetSet read_top_split(const std::vector<std::filesystem::path>& files, std::int64_t max_jets = -1,
                      const BadJetRule& rule = {});

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

/// read_top_split() and read_quark_gluon_files(), but what is read of files of 64 MB and more is
/// kept beside them, in the folder ".lorentznet-cache" (or in the one that the environment variable
/// LORENTZNET_CACHE names), and mapped into memory from then on, as long as the files are the same
/// by size and time, or by checksum. Throws as these do, and InputError where the folder cannot be
/// written.
JetSet read_top_split_cached(const std::vector<std::filesystem::path>& files,
                             std::int64_t max_jets = -1, const BadJetRule& rule = {});
JetSet read_quark_gluon_files_cached(const std::vector<std::filesystem::path>& files,
                                     std::int64_t max_jets = -1, const BadJetRule& rule = {});

}  // namespace lorentznet
