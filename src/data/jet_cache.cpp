#include "data/jet_cache.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include "data/file_checksums.h"
#include "data/jet_builder.h"
#include "data/particles.h"
#include "io/bytes.h"
#include "io/file.h"
#include "io/hash.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "caches are little-endian");

constexpr std::string_view kMagic = "LNJETS\r\n";
constexpr int kVersion = 2;  // of the format, and of what the readers make of a file
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxHeader = std::size_t{256} << 20;

std::uint64_t hash_of(std::string_view bytes) { return fast_hash(std::as_bytes(std::span(bytes))); }

std::string in_hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t place = 16; place-- > 0; value >>= 4)
    text[place] = "0123456789abcdef"[value & 15];
  return text;
}

/// Calls visit(name, array) for each array of a set.
template <typename Jets, typename Visit>
void for_arrays(Jets& jets, Visit visit) {
  visit("p4", jets.p4);
  visit("offsets", jets.offsets);
  visit("species", jets.species);
  visit("column", jets.column);
  visit("label", jets.label);
  visit("scalars", jets.scalars);
  visit("weight", jets.weight);
  visit("id", jets.id);
}

template <typename T>
std::string_view bytes_of(const SharedArray<T>& array) {
  return {reinterpret_cast<const char*>(array.data()), array.size() * sizeof(T)};
}

std::size_t aligned(std::size_t place) {
  return (place + kAlignment - 1) / kAlignment * kAlignment;
}

json describe_key(const CacheKey& key) {
  json names = json::array();
  for (const Path& file : key.files) names.push_back(std::filesystem::absolute(file).string());
  return {{"files", names},
          {"max_jets", key.max_jets},
          {"skip", key.rule.skip},
          {"most_skipped", key.rule.most}};
}

std::int64_t time_of(const Path& file) {
  return std::filesystem::last_write_time(file).time_since_epoch().count();
}

/// Whether the files are the same as before. A file of the same size with another time, as after a
/// copy, is compared by its checksum.
bool are_unchanged(const CacheKey& key, const json& sources) {
  if (sources.size() != key.files.size()) return false;
  for (std::size_t place = 0; place < key.files.size(); ++place) {
    const Path& file = key.files[place];
    const json& source = sources[place];
    std::error_code none;
    if (std::filesystem::file_size(file, none) != source.at("bytes").get<std::uintmax_t>() ||
        none) {
      return false;
    }
    if (time_of(file) == source.at("time").get<std::int64_t>()) continue;
    if (sha256_of_file(file) != source.at("sha256").get<std::string>()) return false;
  }
  return true;
}

json describe_jets(const JetSet& jets) {
  json header;
  header["sources_of_jets"] = json::array();
  for (const auto& source : jets.sources) {
    header["sources_of_jets"].push_back({source.file, source.first_jet, source.first_row});
  }
  header["skipped"] = jets.skipped;
  std::size_t place = 0;  // from the end of the header
  for_arrays(jets, [&](const char* name, const auto& array) {
    const auto bytes = bytes_of(array);
    header["columns"][name] = {
        {"place", place}, {"bytes", bytes.size()}, {"xxh3", in_hex(hash_of(bytes))}};
    place = aligned(place + bytes.size());
  });
  header["bytes"] = place;
  return header;
}

[[noreturn]] void fail_damaged(const std::string& reason) {
  throw InputError("the cache is damaged: " + reason);
}

/// A header, in which all numbers but those of the key, which is only compared, are integers:
/// converting another one to an integer may be undefined.
json parse_header(std::string_view text) {
  bool in_key = false;
  return json::parse(text, [&](int depth, json::parse_event_t event, const json& value) {
    if (event == json::parse_event_t::key && depth == 1) in_key = value == "key";
    if (event == json::parse_event_t::value && value.is_number_float() && !in_key) {
      fail_damaged("its header has the number " + value.dump());
    }
    return true;
  });
}

/// An array in the mapped file. \throws InputError if it is damaged
template <typename T>
SharedArray<T> array_of(const MappedFile& file, std::size_t data, const json& entry) {
  const auto place = entry.at("place").get<std::size_t>();
  const auto size = entry.at("bytes").get<std::size_t>();
  if (place % kAlignment != 0 || place > file.bytes.size() - data ||
      size > file.bytes.size() - data - place || size % sizeof(T) != 0) {
    fail_damaged("an array is outside of the file");
  }
  const auto bytes = file.bytes.subspan(data + place, size);
  if (in_hex(hash_of({bytes.data(), bytes.size()})) != entry.at("xxh3").get<std::string>()) {
    fail_damaged("an array does not match its checksum");
  }
  return {{reinterpret_cast<const T*>(bytes.data()), size / sizeof(T)}, file.memory};
}

void require_size(const char* name, std::size_t found, std::size_t expected) {
  if (found == expected) return;
  fail_damaged(std::string(name) + " has " + std::to_string(found) + " elements, expected " +
               std::to_string(expected));
}

void require_size_if_any(const char* name, std::size_t found, std::size_t expected) {
  if (found != 0) require_size(name, found, expected);
}

template <typename T>
void require_range(const char* name, const SharedArray<T>& values, T least, T most) {
  const auto is_outside = [&](T value) { return value < least || value > most; };
  const auto* const bad = std::find_if(values.begin(), values.end(), is_outside);
  if (bad == values.end()) return;
  fail_damaged(std::string(name) + " has the element " + std::to_string(*bad));
}

/// That every index leads to an element: whoever writes a cache can also give it right checksums.
/// \throws InputError
void check_indices(const JetSet& jets) {
  const auto& offsets = jets.offsets;
  const bool rise =
      std::adjacent_find(offsets.begin(), offsets.end(), std::greater_equal<>()) == offsets.end();
  if (offsets.empty() || offsets.front() != 0 || !rise) fail_damaged("offsets do not rise from 0");
  const auto particles = static_cast<std::size_t>(offsets.back());
  const auto num_jets = offsets.size() - 1;
  if (particles > jets.p4.size()) fail_damaged("offsets end beyond the particles");
  require_size("p4", jets.p4.size(), 4 * particles);
  require_size("column", jets.column.size(), particles);
  require_size_if_any("species", jets.species.size(), particles);
  require_size("label", jets.label.size(), num_jets);
  require_size_if_any("weight", jets.weight.size(), num_jets);
  require_size_if_any("id", jets.id.size(), num_jets);
  if (!jets.scalars.empty() && (particles == 0 || jets.scalars.size() % particles != 0)) {
    fail_damaged("scalars are not as many for each particle");
  }
  require_range<std::int16_t>("column", jets.column, 0, kMaxColumns - 1);
  require_range<std::int8_t>("species", jets.species, -1, kNumSpecies - 1);
  require_range<std::int8_t>("label", jets.label, -1, std::numeric_limits<std::int8_t>::max() - 1);
  std::int64_t before = -1;
  for (const JetSource& source : jets.sources) {
    const bool rises = source.first_jet > before && source.first_jet < jets.num_jets();
    if (!rises || source.first_row < 0) fail_damaged("sources do not rise within the jets");
    before = source.first_jet;
  }
}

JetSet jets_of(const MappedFile& file, std::size_t data, const json& header) {
  JetSet jets;
  for_arrays(jets, [&]<typename T>(const char* name, SharedArray<T>& array) {
    array = array_of<T>(file, data, header.at("columns").at(name));
  });
  for (const auto& source : header.at("sources_of_jets")) {
    jets.sources.push_back({source.at(0), source.at(1), source.at(2)});
  }
  jets.skipped = header.at("skipped").get<std::vector<std::string>>();
  check_indices(jets);
  return jets;
}

/// The jets of a cache with its files, which are as they were when it was written. They may be
/// named from another folder now.
JetsAndFiles with_files(JetSet jets, const CacheKey& key, const json& header) {
  std::vector<DataFile> files;
  for (const json& source : header.at("sources")) {
    const auto name = key.files.at(files.size()).string();
    const auto before = source.value("file", name);
    files.push_back({name, source.at("bytes"), source.at("time"), source.at("sha256")});
    if (before == name) continue;
    for (auto& part : jets.sources) {
      if (part.file == before) part.file = name;
    }
    for (auto& line : jets.skipped) {
      if (line.starts_with(before + ": ")) line.replace(0, before.size(), name);
    }
  }
  return {jets, files};
}

/// Nothing if the cache is of another version or other files, or of files that have changed.
/// \throws InputError, json::exception or filesystem_error if it is damaged, or a file is gone
std::optional<JetsAndFiles> read_whole(const Path& path, const CacheKey& key) {
  const MappedFile file = map_file(path);
  BoundedReader reader({file.bytes.data(), file.bytes.size()}, "the cache is damaged");
  if (reader.take(kMagic.size()) != kMagic) reader.fail("is not that of a cache of jets");
  if (reader.u64() != kVersion) return std::nullopt;
  const auto size = reader.u64();
  const auto hash = reader.u64();
  if (size > kMaxHeader) reader.fail("announces a header of " + std::to_string(size) + " bytes");
  const auto text = reader.take(size);
  if (hash_of(text) != hash) fail_damaged("the header does not match its checksum");
  const json header = parse_header(text);
  if (header.at("key") != describe_key(key)) return std::nullopt;
  if (!are_unchanged(key, header.at("sources"))) return std::nullopt;
  const std::size_t data = aligned(reader.position());
  const auto expected = header.at("bytes").get<std::size_t>();
  if (file.bytes.size() < data || file.bytes.size() - data != expected) {
    fail_damaged("it has " + std::to_string(file.bytes.size()) + " bytes, of which " +
                 std::to_string(data) + " are the header's; expected " + std::to_string(expected) +
                 " others");
  }
  return with_files(jets_of(file, data, header), key, header);
}

std::string number_bytes(std::uint64_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::uintmax_t total_size(const std::vector<Path>& files) {
  std::uintmax_t bytes = 0;
  for (const Path& file : files) {
    std::error_code none;  // the reader reports a missing file
    const auto size = std::filesystem::file_size(file, none);
    if (!none) bytes += size;
  }
  return bytes;
}

using LineLog = std::function<void(const std::string& line)>;

void log_unwritable(const LineLog& log, const Path& folder, const std::system_error& error) {
  log(folder.string() + ": the cache of jets cannot be written (" + error.code().message() +
      "), so the files will be read again next time; LORENTZNET_CACHE names another folder, "
      "--no_cache does without");
}

/// Tells it before the jets are read.
bool is_writable(const Path& folder, const LineLog& log) {
  try {
    make_folders(folder);
    WholeFile probe(folder / "probe");  // removed without commit()
    return true;
  } catch (const std::system_error& error) {
    log_unwritable(log, folder, error);
    return false;
  }
}

JetsAndFiles read_checked(const CacheKey& key, const std::function<JetSet()>& read) {
  FileChecksums checksums(key.files);
  const JetSet jets = read();
  return {jets, checksums.finish()};
}

/// The sources of a cache. A file that was written after it was read has another time than `files`.
json describe_sources(const std::vector<DataFile>& files) {
  json sources = json::array();
  for (const auto& file : files) {
    sources.push_back(
        {{"file", file.file}, {"bytes", file.bytes}, {"time", file.time}, {"sha256", file.sha256}});
  }
  return sources;
}

void write_cache(const Path& path, const CacheKey& key, const JetsAndFiles& read) {
  const JetSet& jets = read.jets;
  json header = describe_jets(jets);
  header["key"] = describe_key(key);
  header["sources"] = describe_sources(read.files);
  const std::string text = header.dump();
  std::string start(kMagic);
  start += number_bytes(kVersion) + number_bytes(text.size()) + number_bytes(hash_of(text)) + text;
  start.resize(aligned(start.size()), '\0');
  WholeFile file(path);
  file.append(start);
  for_arrays(jets, [&](const char*, const auto& array) {
    const auto bytes = bytes_of(array);
    file.append(bytes);
    file.append(std::string(aligned(bytes.size()) - bytes.size(), '\0'));
  });
  file.commit();
}

/// What `read` returns, from then on in the cache if possible.
JetsAndFiles read_and_keep(const Path& cache, const CacheKey& key,
                           const std::function<JetSet()>& read, const LineLog& log) {
  auto found = read_checked(key, read);
  try {
    write_cache(cache, key, found);
  } catch (const std::system_error& error) {
    log_unwritable(log, cache.parent_path(), error);
    return found;
  }
  // Prefer mapped jets to those in memory. They can only be missing if another process removed
  // them.
  if (auto mapped = read_cache(cache, key, log)) return std::move(*mapped);
  return found;
}

}  // namespace

Path cache_file(const CacheKey& key) {
  const char* const elsewhere = std::getenv("LORENTZNET_CACHE");
  const Path folder = elsewhere != nullptr && *elsewhere != '\0'
                          ? Path(elsewhere)
                          : key.files.at(0).parent_path() / ".lorentznet-cache";
  return folder / (in_hex(hash_of(describe_key(key).dump())) + ".jets");
}

std::optional<JetsAndFiles> read_cache(const Path& path, const CacheKey& key, const LineLog& log) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto log_damage = [&](const std::string& reason) {
    log(path.string() + ": " + reason + "; it is not used, and the files are read again");
  };
  try {
    return read_whole(path, key);
  } catch (const InputError& error) {
    log_damage(error.what());
  } catch (const json::exception& error) {
    log_damage(std::string("the cache is damaged: ") + error.what());
  } catch (const std::filesystem::filesystem_error&) {
    // A source is gone, which its reader will report.
  }
  return std::nullopt;
}

JetSet read_through_cache(const CacheKey& key, const std::function<JetSet()>& read,
                          const LineLog& log, std::uintmax_t smallest) {
  if (key.files.empty() || total_size(key.files) < smallest) return read();
  return read_with_checksums(key, read, /*use_cache=*/true, log, smallest).jets;
}

JetsAndFiles read_with_checksums(const CacheKey& key, const std::function<JetSet()>& read,
                                 bool use_cache, const LineLog& log, std::uintmax_t smallest) {
  if (!use_cache || key.files.empty() || total_size(key.files) < smallest) {
    return read_checked(key, read);
  }
  const Path file = cache_file(key);
  if (auto cached = read_cache(file, key, log)) return std::move(*cached);
  if (!is_writable(file.parent_path(), log)) return read_checked(key, read);
  return read_and_keep(file, key, read, log);
}

}  // namespace lorentznet
