#pragma once

#include <filesystem>
#include <string>

#include "io/json.h"

namespace lorentznet {

/// What a file of jets holds: layout, arrays, checksum, counts, classes, ranges [GeV], and each jet
/// that cannot be used with the reason. Keys as `jets info --json` prints them.
/// \throws InputError if the file cannot be read at all
Json jets_info(const std::filesystem::path& file);

/// The same as a table for people.
std::string info_table(const Json& info);

/// The program `jets`. \return its exit status
int run_jets(int argc, const char* const* argv);

}  // namespace lorentznet
