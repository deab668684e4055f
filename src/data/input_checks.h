#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lorentznet {

/// Throws the InputError "FILE: REASON".
[[noreturn]] void throw_file_error(const std::string& file, const std::string& reason);

/// A number as messages show it: 1.5, nan, -3.
std::string format_number(double value);

/// "[3, 200, 4]"
std::string format_shape(const std::vector<std::int64_t>& shape);

/// The widest padded layout that JetSet::column can number.
inline constexpr std::int64_t max_columns = 32768;

/// How many of `available` jets to read when at most `max_jets` are wanted; -1: all. Throws
/// std::invalid_argument for max_jets < -1.
std::int64_t jets_to_read(std::int64_t available, std::int64_t max_jets);

}  // namespace lorentznet
