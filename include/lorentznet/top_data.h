#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/bad_jets.h"
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

}  // namespace lorentznet
