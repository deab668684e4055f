#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// `text` with bytes that are not printable ASCII as "\xNN".
std::string escaped(std::string_view text);

/// All lines of `text` in one, with other control characters as "\x1b": names of files may hold
/// them.
std::string in_one_line(const std::string& text);

/// `text` in single quotes for a one-line message. Bytes that are not printable ASCII are escaped
/// and text after 80 bytes is cut, so that a name from a damaged file cannot garble a terminal or
/// log.
std::string in_quotes(std::string_view text);

/// "'a', 'b'", or "nothing".
std::string list_in_quotes(const std::vector<std::string>& names);

/// `word` such that a shell reads it as one word, in printable characters; in quotes where they are
/// needed.
std::string shell_word(const std::string& word);

/// \throws InputError "FILE: REASON"
[[noreturn]] void throw_file_error(const std::string& file, const std::string& reason);

/// A number with up to ten digits: 1.5, nan, -3.
std::string format_number(double value);

/// "[3, 200, 4]"
std::string format_shape(const std::vector<std::int64_t>& shape);

}  // namespace lorentznet
