#include "fetch/published_files.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "io/file.h"
#include "lorentznet/error.h"

namespace lorentznet {

extern const char* const published_files_table;  // made by CMake from data/published_files.tsv

namespace {

/// The parts of `text` between separators, without an empty last one.
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// Of a row without a size 0. \return nothing if a size is no positive number
std::optional<std::uint64_t> size_in(const std::vector<std::string>& fields) {
  if (fields.size() < 5) return 0;
  constexpr std::size_t kMostDigits = 15;
  const std::string& text = fields[4];
  const bool is_number = !text.empty() && text.size() <= kMostDigits && text.front() != '0' &&
                         text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number) return std::nullopt;
  return std::stoull(text);
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A file name that cannot lead out of its folder.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

}  // namespace

std::vector<PublishedFile> published_files(std::string_view table, const std::string& set,
                                           const std::string& what) {
  const auto lines = split(table, '\n');
  if (lines.empty() || lines.front() != "set\tfile\tsha256\turl") {
    throw InputError(what + ": line 1 is not 'set', 'file', 'sha256' and 'url', separated by tabs");
  }
  std::vector<PublishedFile> files;
  for (std::size_t number = 1; number < lines.size(); ++number) {
    const auto fields = split(lines[number], '\t');
    const auto bytes = size_in(fields);
    if (fields.size() < 4 || fields.size() > 5 || !is_plain_name(fields[1]) ||
        (fields[2] != "-" && !is_sha256(fields[2])) || !bytes) {
      throw InputError(what + ": line " + std::to_string(number + 1) +
                       " is not a set, a file name, its SHA-256 or '-', its URL and, possibly, its "
                       "size");
    }
    if (fields[0] != set) continue;
    files.push_back({fields[1], fields[2] == "-" ? "" : fields[2], fields[3], *bytes});
  }
  if (files.empty()) throw InputError(what + ": has no files of the set '" + set + "'");
  return files;
}

std::vector<PublishedFile> published_files(const std::string& set) {
  const char* const mirror = std::getenv("LORENTZNET_PUBLISHED_FILES");
  if (mirror == nullptr || *mirror == '\0') {
    return published_files(published_files_table, set, "the program's table of published files");
  }
  constexpr std::size_t kMostBytes = 1 << 20;
  return published_files(read_file(mirror, kMostBytes), set, mirror);
}

}  // namespace lorentznet
