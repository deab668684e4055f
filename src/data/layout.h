#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

/// The layouts of files that hold jets.
enum class FileLayout { kTopConverted, kTopTable, kQuarkGluon, kOwn };

/// Finds out a file's layout by what is in it. An .npz with no more than X and y is taken for one
/// of quark/gluon jets if the last of the four numbers of its first jets' particles are PDG ids,
/// else for a user's own. \throws InputError if it is none
FileLayout layout_of(const std::filesystem::path& file);

/// "top jets, as published (pandas table)", ...
std::string describe(FileLayout layout);

/// Reads all jets of a file with the reader of its layout.
JetSet read_jets_of(const std::filesystem::path& file, FileLayout layout, const BadJetRule& rule);

/// An array as a file stores it.
struct StoredArray {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string type;     ///< "f4", "i8", ...; "table" of several columns
  std::string storage;  ///< "stored", "deflated", "gzip, chunks [1000, 200]", "blosc, ..."
};

/// All arrays of a file at its top, and a pandas table. \throws InputError
std::vector<StoredArray> stored_arrays(const std::filesystem::path& file);

}  // namespace lorentznet
