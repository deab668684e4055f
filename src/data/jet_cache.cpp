#include "data/jet_cache.h"

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

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
constexpr int kVersion = 1;  // of the format, and of what the readers make of a file
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

/// An array in the mapped file. \throws InputError if it is damaged
template <typename T>
SharedArray<T> array_of(const MappedFile& file, std::size_t data, const json& entry) {
  const auto place = entry.at("place").get<std::size_t>();
  const auto size = entry.at("bytes").get<std::size_t>();
  if (place % kAlignment != 0 || place > file.bytes.size() - data ||
      size > file.bytes.size() - data - place || size % sizeof(T) != 0) {
    throw InputError("an array is outside of the cache");
  }
  const auto bytes = file.bytes.subspan(data + place, size);
  if (in_hex(hash_of({bytes.data(), bytes.size()})) != entry.at("xxh3").get<std::string>()) {
    throw InputError("an array of the cache is damaged");
  }
  return {{reinterpret_cast<const T*>(bytes.data()), size / sizeof(T)}, file.memory};
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
  return jets;
}

JetSet read_whole(const Path& path, const CacheKey& key) {
  const MappedFile file = map_file(path);
  BoundedReader reader({file.bytes.data(), file.bytes.size()}, path.string());
  if (reader.take(kMagic.size()) != kMagic) reader.fail("is not a cache of jets");
  if (reader.u64() != kVersion) reader.fail("is of another version");
  const auto size = reader.u64();
  const auto hash = reader.u64();
  if (size > kMaxHeader) reader.fail("has a header that is too long");
  const auto text = reader.take(size);
  if (hash_of(text) != hash) reader.fail("has a damaged header");
  const json header = json::parse(text);
  if (header.at("key") != describe_key(key)) reader.fail("is of other files");
  if (!are_unchanged(key, header.at("sources"))) reader.fail("is of files that have changed");
  const std::size_t data = aligned(reader.position());
  if (file.bytes.size() < data ||
      file.bytes.size() - data != header.at("bytes").get<std::size_t>()) {
    reader.fail("is cut off");
  }
  return jets_of(file, data, header);
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

/// Checks this before the jets are read, not after.
void require_writable(const Path& folder) {
  try {
    std::filesystem::create_directories(folder);
    WholeFile probe(folder / "probe");  // removed without commit()
  } catch (const std::system_error& error) {
    throw InputError(folder.string() + ": the jets' cache cannot be written (" +
                     error.code().message() +
                     "); use --no_cache, or set LORENTZNET_CACHE to another folder");
  }
}

json describe_sources(const CacheKey& key) {
  json sources = json::array();
  for (const Path& file : key.files) {
    sources.push_back({{"bytes", std::filesystem::file_size(file)},
                       {"time", time_of(file)},
                       {"sha256", sha256_of_file(file)}});
  }
  return sources;
}

void write_cache(const Path& path, const CacheKey& key, const json& sources, const JetSet& jets) {
  json header = describe_jets(jets);
  header["key"] = describe_key(key);
  header["sources"] = sources;
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

std::optional<JetSet> read_cache(const Path& path, const CacheKey& key) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    return read_whole(path, key);
  } catch (const InputError&) {
    return std::nullopt;
  } catch (const json::exception&) {
    return std::nullopt;
  } catch (const std::filesystem::filesystem_error&) {
    return std::nullopt;  // a source is gone, which its reader will report
  }
}

}  // namespace

Path cache_file(const CacheKey& key) {
  const char* const elsewhere = std::getenv("LORENTZNET_CACHE");
  const Path folder = elsewhere != nullptr && *elsewhere != '\0'
                          ? Path(elsewhere)
                          : key.files.at(0).parent_path() / ".lorentznet-cache";
  return folder / (in_hex(hash_of(describe_key(key).dump())) + ".jets");
}

JetSet read_through_cache(const CacheKey& key, const std::function<JetSet()>& read,
                          std::uintmax_t smallest) {
  if (key.files.empty() || total_size(key.files) < smallest) return read();
  const Path file = cache_file(key);
  if (auto jets = read_cache(file, key)) return std::move(*jets);
  require_writable(file.parent_path());
  const auto sources = describe_sources(key);
  const JetSet jets = read();
  if (sources != describe_sources(key)) {
    throw InputError(key.files[0].string() +
                     ": this file, or another one of the data set, changed while it was read");
  }
  write_cache(file, key, sources, jets);
  // Prefer mapped jets to those in memory. They can only be missing if another process removed
  // them.
  if (auto mapped = read_cache(file, key)) return std::move(*mapped);
  return jets;
}

}  // namespace lorentznet
