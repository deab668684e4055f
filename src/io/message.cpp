#include "io/message.h"

#include <cstddef>

namespace lorentznet {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t max_shown = 80;
  constexpr char hex[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, max_shown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += c;
    }
  }
  if (text.size() > max_shown) out += "...";
  return out += "'";
}

std::string list_in_quotes(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + in_quotes(name);
  return list.empty() ? "nothing" : list;
}

}  // namespace lorentznet
