#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace lorentznet {

/// Keeps the order of its keys, as the published files have them.
using Json = nlohmann::ordered_json;

/// Reads a JSON object. \throws InputError naming the file if it is missing or holds something else
Json read_json(const std::filesystem::path& file);
/// Writes with the published files' indentation, whole or not at all.
void write_json(const std::filesystem::path& file, const Json& json);

}  // namespace lorentznet
