#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "lorentznet/bad_jets.h"
#include "lorentznet/jets.h"

namespace lorentznet {

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
