#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/array_file.h"
#include "lorentznet/jets.h"

namespace lorentznet {

// The layouts of files that hold jets (docs/data-files.md, data/README.md), and their readers.

enum class FileLayout { kTopConverted, kTopTable, kQuarkGluon, kOwn };

/// The layout of a file with four-momenta, from the names of its arrays. \throws InputError if it
/// has none
FileLayout layout_of(const ArrayFile& file);

/// The same for a file of any kind: an .npz with no more than X, or X and y, holds quark/gluon jets
/// if the last of the four numbers of its first particles are PDG ids.
FileLayout probable_layout_of(const ArrayFile& file);

/// "top jets, as published (pandas table)", ...
std::string describe(FileLayout layout);

/// Reads the first `max_jets` jets (-1: all) of a file. \throws InputError
JetSet read_jets(const ArrayFile& file, FileLayout layout, std::int64_t max_jets,
                 const BadJetRule& rule);

/// What read_jets calls. `is_table`: the layout is kTopTable.
JetSet read_top_jets(const Hdf5File& file, bool is_table, std::int64_t max_jets,
                     const BadJetRule& rule);
JetSet read_own_jets(const ArrayFile& file, std::int64_t max_jets, const BadJetRule& rule);
JetSet read_quark_gluon_jets(const ArrayFile& file, std::int64_t max_jets, const BadJetRule& rule);

/// The arrays of a file, or its pandas table. \throws InputError
std::vector<StoredArray> stored_arrays(const ArrayFile& file);

}  // namespace lorentznet
