#pragma once

#include <filesystem>
#include <string>

#include "io/json.h"

namespace lorentznet {

/// The contents of a file of jets: layout, arrays, checksum, counts, classes, ranges [GeV], and the
/// bad jets with reasons. The keys are those of `jets info --json`.
/// \throws InputError if the file cannot be read at all
Json jets_info(const std::filesystem::path& file);

/// The same as a table for people.
std::string info_table(const Json& info);

/// The program `jets`. \return its exit status
int run_jets(int argc, const char* const* argv);

}  // namespace lorentznet
