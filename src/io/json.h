#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace lorentznet {

/// Keeps the order of its keys, like the published program's files.
using Json = nlohmann::ordered_json;

/// Reads a JSON object. \throws InputError if the file is missing or holds something else
Json read_json(const std::filesystem::path& file);
/// Writes `json` through a WholeFile, indented like the published program's files.
void write_json(const std::filesystem::path& file, const Json& json);

}  // namespace lorentznet
