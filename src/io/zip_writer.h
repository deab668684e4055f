#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lorentznet {

/// A zip archive of stored entries. entries: name, contents.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries);

}  // namespace lorentznet
