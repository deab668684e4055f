#pragma once

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

}  // namespace lorentznet
