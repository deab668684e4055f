#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// `text` in single quotes for a one-line message: what is no printable ASCII is escaped, and what
/// is longer than 80 bytes is cut, so that a name out of a damaged file can't spoil a terminal or
/// log.
std::string in_quotes(std::string_view text);

/// "'a', 'b'", or "nothing".
std::string list_in_quotes(const std::vector<std::string>& names);

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
