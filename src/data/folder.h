#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lorentznet {

/// The files whose names end in one of `extensions` (".h5"), sorted by name. Throws InputError
/// where there is no such folder.
std::vector<std::filesystem::path> list_files(const std::filesystem::path& folder,
                                              const std::vector<std::string>& extensions);

/// "there is a.h5, b.h5" of a folder's files, for messages about what is missing.
std::string describe_files(const std::vector<std::filesystem::path>& files);

}  // namespace lorentznet
