#include "io/json.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Python's json module writes these for numbers that JSON does not have.
constexpr std::array<std::string_view, 3> kNoNumber = {"NaN", "-Infinity", "Infinity"};
constexpr std::string_view kNull = "null";

/// A text in which null stands for them, outside strings, and where it has grown by a byte.
struct StrictText {
  std::string text;
  std::vector<std::size_t> inserted;  ///< places in the original, rising

  /// Where a byte of `text` is in the original.
  std::size_t original_place(std::size_t place) const {
    std::size_t more = 0;  // bytes of `text` up to this one that the original does not have
    while (more < inserted.size() && inserted[more] + more <= place) ++more;
    return place - more;
  }
};

/// The one of kNoNumber that `rest`, which is not empty, begins with, or an empty word.
std::string_view no_number_at(std::string_view rest) {
  const char first = rest.front();
  if (first != 'N' && first != '-' && first != 'I') return "";
  const auto* const found =
      std::find_if(kNoNumber.begin(), kNoNumber.end(),
                   [&](std::string_view word) { return rest.starts_with(word); });
  return found == kNoNumber.end() ? "" : *found;
}

StrictText without_no_numbers(std::string_view original) {
  StrictText strict;
  strict.text.reserve(original.size());
  bool in_string = false;
  for (std::size_t k = 0; k < original.size();) {
    const char byte = original[k];
    if (in_string && byte == '\\') {  // the next byte does not end the string
      strict.text += original.substr(k, 2);
      k += 2;
      continue;
    }
    if (byte == '"') in_string = !in_string;
    const auto word = in_string ? std::string_view() : no_number_at(original.substr(k));
    if (word.empty()) {
      strict.text += byte;
      ++k;
      continue;
    }
    strict.text += kNull;
    if (word.size() < kNull.size()) strict.inserted.push_back(k + word.size());
    if (word.size() > kNull.size()) strict.text.append(word.size() - kNull.size(), ' ');
    k += word.size();
  }
  return strict;
}

/// "FILE:LINE:COLUMN: ", counted from 1, of the byte at `place`.
std::string name_place(const std::filesystem::path& file, std::string_view text,
                       std::size_t place) {
  const auto before = text.substr(0, place);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_begin = before.find_last_of('\n') + 1;  // npos + 1 is 0
  return file.string() + ":" + std::to_string(line) + ":" +
         std::to_string(before.size() - line_begin + 1) + ": ";
}

/// What follows the place in the message of nlohmann-json, in one short line of ASCII: it repeats
/// bytes of the file.
std::string reason_of(const Json::parse_error& error) {
  std::string reason = error.what();
  const auto separator = reason.find(": ", reason.find("parse error at"));
  if (separator != std::string::npos) reason.erase(0, separator + 2);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  constexpr std::size_t kMost = 160;  // the token that it repeats may be megabytes
  if (reason.size() > kMost) reason.replace(kMost / 2, reason.size() - kMost, "...");
  return escaped(reason);
}

/// The number in the message of nlohmann-json about one that no double can hold.
std::string_view number_in(std::string_view message) {
  const auto begin = std::min(message.find('\''), message.size() - 1) + 1;
  return message.substr(begin, std::min(message.find('\'', begin), message.size()) - begin);
}

/// Where arrays and objects become nested more than `most` deep; npos: nowhere.
std::size_t place_too_deep(std::string_view text, int most) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t place = 0; place < text.size(); ++place) {
    const char byte = text[place];
    if (in_string && byte == '\\') ++place;  // the next byte does not end the string
    if (byte == '"') in_string = !in_string;
    if (in_string) continue;
    if ((byte == '[' || byte == '{') && ++depth > most) return place;
    if (byte == ']' || byte == '}') --depth;
  }
  return std::string_view::npos;
}

}  // namespace

Json parse_json(std::string_view text, const std::filesystem::path& file) {
  constexpr int kMostDeep = 100;
  const auto too_deep = place_too_deep(text, kMostDeep);
  if (too_deep != std::string_view::npos) {
    throw InputError(name_place(file, text, too_deep) + "values nested more than " +
                     std::to_string(kMostDeep) + " deep");
  }
  const auto strict = without_no_numbers(text);
  try {
    auto json = Json::parse(strict.text);
    if (json.is_object()) return json;
  } catch (const Json::parse_error& error) {
    // error.byte counts from 1, and is one past a text that ends too early.
    const auto place = strict.original_place(std::max<std::size_t>(error.byte, 1) - 1);
    throw InputError(name_place(file, text, place) + reason_of(error));
  } catch (const Json::out_of_range& error) {
    const auto number = number_in(error.what());
    const auto place = strict.original_place(std::min(strict.text.find(number), text.size()));
    throw InputError(name_place(file, text, place) + "the number " + in_quotes(number) +
                     " is too large");
  }
  throw InputError(file.string() + ": not a JSON object");
}

Json read_json(const std::filesystem::path& file) {
  constexpr std::size_t kMaxBytes = 64 << 20;
  return parse_json(read_file(file, kMaxBytes), file);
}

void write_json(const std::filesystem::path& file, const Json& json) {
  write_file_whole(file, json.dump(4));
}

std::string short_text(const Json& value) {
  constexpr std::size_t kMost = 80;
  if (value.is_structured()) return std::string(value.is_array() ? "an array" : "an object");
  const auto text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

}  // namespace lorentznet
