#include "io/message.h"

#include <algorithm>
#include <cstddef>
#include <sstream>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// "\x1b"
std::string in_hex(char c) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      out += in_hex(c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string in_one_line(const std::string& text) {
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines >> std::ws, line);) {
    all += all.empty() ? "" : " ";
    for (const char c : line) all += is_control(c) ? in_hex(c) : std::string(1, c);
  }
  return all;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMaxShown = 80;
  std::string out = "'" + escaped(text.substr(0, kMaxShown));
  if (text.size() > kMaxShown) out += "...";
  return out += "'";
}

std::string list_in_quotes(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + in_quotes(name);
  return list.empty() ? "nothing" : list;
}

std::string shell_word(const std::string& word) {
  constexpr auto kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,:=+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  const bool has_control = std::any_of(word.begin(), word.end(), is_control);
  std::string quoted = has_control ? "$'" : "'";  // only $'...' has escapes
  for (const char c : word) {
    if (has_control && is_control(c)) {
      quoted += in_hex(c);
    } else if (has_control && (c == '\'' || c == '\\')) {
      quoted += {'\\', c};
    } else {
      quoted += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
    }
  }
  return quoted + "'";
}

void throw_file_error(const std::string& file, const std::string& reason) {
  throw InputError(file + ": " + reason);
}

std::string format_number(double value) {
  std::ostringstream text;
  text.precision(10);
  text << value;
  return text.str();
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

}  // namespace lorentznet
