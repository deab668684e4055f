#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lorentznet {

/// Keeps the order of its keys, like the published program's files.
using Json = nlohmann::ordered_json;

/// Reads a JSON object. NaN, Infinity and -Infinity, which Python's json module writes, are null:
/// no value. \throws InputError if the file is missing, "FILE:LINE:COLUMN: REASON", or if values
/// are nested more than 100 deep: copying them would need too much stack
Json read_json(const std::filesystem::path& file);
/// The same of a text; `file` is for messages.
Json parse_json(std::string_view text, const std::filesystem::path& file);
/// Writes `json` through a WholeFile, indented like the published program's files.
void write_json(const std::filesystem::path& file, const Json& json);

/// A value for a message, in a few words: 3, "text", an array, an object.
std::string short_text(const Json& value);

}  // namespace lorentznet
