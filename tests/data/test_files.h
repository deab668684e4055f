#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lorentznet/jets.h"
#include "support.h"

namespace lorentznet::test {

/// Cuts a file to its first half.
void truncate_file(const std::filesystem::path& path);

/// The message of the InputError that `action` throws; a failed check if it throws none, or if the
/// message isn't one line that begins with the name of `file`.
std::string input_error(const std::filesystem::path& file, const std::function<void()>& action);

/// Checks that two sets hold the same jets, bit for bit; their sources may differ.
void check_same_jets(const JetSet& left, const JetSet& right);

/// Writes an .npz (a zip of stored entries). entries: name without ".npy", contents of the .npy.
void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& entries);

}  // namespace lorentznet::test
