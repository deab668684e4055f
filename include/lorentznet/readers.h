#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

/// Reads the first `max_jets` jets (-1: all; fewer if the file has fewer) of a file with
/// four-momenta, in the file's order. The layout is found from the contents; with N jets of up to M
/// particles (M = 200 in the published top files) there are three:
/// - top, converted: HDF5 data sets `Nobj` [N], `Pmu` [N, M, 4] = (E, px, py, pz) in GeV,
///   `label` [N, M] (nonzero where there is a particle), `is_signal` [N];
/// - top, as published (Top Quark Tagging Reference Dataset, doi:10.5281/zenodo.2603256): the
///   pandas table `table/table`, compressed with blosc. HDF5 needs its plugin for that (Debian
///   package hdf5-filter-plugin-blosc-serial), which it looks for beside its library and in the
///   folders of HDF5_PLUGIN_PATH;
/// - a user's own: an .npz or HDF5 file with `X` [N, M, 4] = (E, px, py, pz) in GeV, rows of zeros
///   where there is no particle, and optionally
///   - `y` [N], the class of each jet, 0 .. K-1 (at most 127 classes); without it labels are -1;
///   - `scalars` [N, M, S], input scalars of the particles, used as they are;
///   - `weight` [N], not negative;
///   - `id` [N], integers.
///   The numbers may have any type of numpy and HDF5, booleans of h5py included, of either byte
///   order; 64-bit integers beyond 2^53 are exact only in `id`.
///
/// A particle is a column with E != 0. Other columns count for nothing, wherever they are:
/// JetSet::column counts particles. Four-momenta are those of the file, in double. Memory: the
/// particles, and some rows of the padded file.
///
/// \throws InputError with one line that names the file, and the jet if it is a jet's fault: a file
///         that is missing, damaged or of another layout, bad jets (unless `rule` skips them),
///         columns in which `label` and E contradict each other, no jets
/// \throws std::invalid_argument for max_jets < -1
JetSet read_jets(const std::filesystem::path& file, std::int64_t max_jets = -1,
                 const BadJetRule& rule = {});

/// The files of the three splits, sorted by name.
struct TopSplits {
  std::vector<std::filesystem::path> train, val, test;
};

/// Finds the files NAME.h5, NAME.hdf5 and NAME.npz in `datadir` whose NAME contains "train", "val"
/// or "test".
/// \throws InputError if a name contains two of these words, or a split in `needed` has no file
TopSplits find_top_files(const std::filesystem::path& datadir,
                         const std::vector<std::string>& needed = {"train", "val", "test"});

/// Reads the files of a split one after the other. `max_jets` (-1: all) is shared evenly: K files
/// contribute their first floor(max_jets / K) jets each, the first max_jets mod K files one more; a
/// file with fewer jets contributes all it has.
/// \throws as read_jets, and std::invalid_argument if there is no file
JetSet read_top_split(const std::vector<std::filesystem::path>& files, std::int64_t max_jets = -1,
                      const BadJetRule& rule = {});

/// Reads the first `max_jets` jets (-1: all; fewer if the file has fewer) of an EnergyFlow
/// quark/gluon file (doi:10.5281/zenodo.3164691), in the file's order: an .npz with
/// - `X` [N, M, 4] = (pT [GeV], rapidity, azimuth, PDG id), rows of zeros where there is no
///   particle, which count for nothing, wherever they are;
/// - `y` [N], quark 1, gluon 0; without it, in a file of `X` alone, labels are -1;
/// floating-point numbers of 4 or 8 bytes, stored or deflated, in C or Fortran order.
///
/// Four-momenta are computed from pT, y, phi and the mass of the PDG id (see particle_mass), in
/// double. Memory: the particles, and some rows of the padded file.
///
/// \throws InputError with one line that names the file, and the jet if it is a jet's fault: a file
///         that is missing, damaged or of another layout, bad jets (unless `rule` skips them; also
///         PDG ids that are unknown, 0 or not integers), no jets
/// \throws std::invalid_argument for max_jets < -1
JetSet read_quark_gluon_jets(const std::filesystem::path& file, std::int64_t max_jets = -1,
                             const BadJetRule& rule = {});

/// The files QG_jets.npz, QG_jets_1.npz, QG_jets_2.npz, ... in `datadir`/datasets, by number; if
/// there are none, those of another published set (QG_jets_withbc_0.npz, QG_jets_herwig_0.npz,
/// QG_jets_herwig_withbc_0.npz, ...).
/// \throws InputError if there are none, or files of several of these other sets
std::vector<std::filesystem::path> find_quark_gluon_files(const std::filesystem::path& datadir);

/// The published set of the files in `datadir`/datasets: "qg-pythia", "qg-pythia-bc", "qg-herwig",
/// "qg-herwig-bc"; "" if there are none. \throws InputError for files of several sets
std::string quark_gluon_set(const std::filesystem::path& datadir);

/// Reads files one after the other until it has `max_jets` jets (-1: all), skipped ones included.
/// \throws as read_quark_gluon_jets, and std::invalid_argument if there is no file
JetSet read_quark_gluon_files(const std::vector<std::filesystem::path>& files,
                              std::int64_t max_jets = -1, const BadJetRule& rule = {});

/// Splits N jets by position, as the published program does: train is the first floor(0.8 N), test
/// the next floor(0.1 N), val the last floor(0.1 N); up to two jets between test and val are
/// unused. (Python's int(.8 * N) and int(.1 * N) are exactly these integers: the doubles nearest to
/// .8 and .1 are larger than these by less than the rounding of the product.)
DataSplits split_by_position(const JetSet& jets);

}  // namespace lorentznet
