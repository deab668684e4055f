#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/jet_cache.h"
#include "fuzz/common.h"
#include "fuzz/targets.h"
#include "io/hash.h"
#include "support.h"

namespace lorentznet::fuzz {
namespace {

using Value = nlohmann::json;

constexpr std::size_t kStart = 32, kAlignment = 64;  // docs/data-files.md

std::uint64_t hash_of(std::string_view bytes) { return fast_hash(std::as_bytes(std::span(bytes))); }

std::string in_hex(std::uint64_t value) {
  std::ostringstream text;
  text.width(16);
  text.fill('0');
  text << std::hex << value;
  return text.str();
}

/// The header's text: up to the padding, whatever length the bytes before it say, so that it may
/// grow and shrink.
std::string_view text_of(std::string_view bytes) {
  const auto text = bytes.substr(std::min(kStart, bytes.size()));
  return text.substr(0, text.find('\0'));
}

Value header_of(std::string_view bytes) {
  return Value::parse(text_of(bytes), nullptr, /*allow_exceptions=*/false);
}

JetSet one_jet() {
  JetSet jets;
  jets.p4 = {5, 3, 0, 4};
  jets.offsets = {0, 1};
  jets.column = {0};
  jets.label = {1};
  jets.sources = {{"jets.npz", 0, 0}};
  return jets;
}

/// A folder with a file of jets and its cache, in whose place the inputs are read.
struct Folder {
  test::EnvironmentVariable variable{"LORENTZNET_CACHE", (scratch_folder() / "cache").string()};
  CacheKey key{.files = {scratch_folder() / "jets.npz"}, .max_jets = -1, .rule = {}};
  Value header;  ///< of the right cache

  Folder() {
    std::ofstream(key.files[0]) << "jets";
    read_through_cache(
        key, one_jet, [](const std::string&) {}, 0);
    std::ostringstream bytes;
    bytes << std::ifstream(cache_file(key)).rdbuf();
    header = header_of(bytes.str());
    require(header.is_object(), "no cache was written");
  }
};

/// The checksum of an array, where it is.
void repair_column(Value& column, std::string_view data) {
  if (!column.is_object()) return;
  const auto place = column.value("place", Value()), size = column.value("bytes", Value());
  if (!place.is_number_unsigned() || !size.is_number_unsigned()) return;
  if (place > data.size() || size > data.size() - place.get<std::size_t>()) return;
  column["xxh3"] = in_hex(hash_of(data.substr(place, size)));
}

/// `bytes` as a cache of these files with right checksums: who writes a cache can write them too.
std::string with_right_sums(std::string_view bytes, const Value& right) {
  auto header = header_of(bytes);
  if (!header.is_object()) return "";
  // The last bytes, however long the text has become.
  const auto announced = header.value("bytes", Value());
  const auto left = bytes.size() - kStart - text_of(bytes).size();
  const auto data = bytes.substr(bytes.size() - std::min(left, announced.is_number_unsigned()
                                                                   ? announced.get<std::size_t>()
                                                                   : left));
  header["key"] = right.at("key");
  header["sources"] = right.at("sources");
  if (header.contains("columns") && header["columns"].is_object()) {
    for (auto& column : header["columns"]) repair_column(column, data);
  }
  const auto text = header.dump(-1, ' ', true, Value::error_handler_t::replace);
  const std::uint64_t size = text.size(), hash = hash_of(text);
  std::string repaired(bytes.substr(0, 16));
  repaired.append(reinterpret_cast<const char*>(&size), sizeof size);
  repaired.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  repaired += text;
  repaired.resize((repaired.size() + kAlignment - 1) / kAlignment * kAlignment, '\0');
  return repaired.append(data);
}

/// Touches everything, as a training does.
void use(const JetSet& jets) {
  double sum = 0;
  for (const double value : jets.p4) sum += value != 0 ? 1 : 0;
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    require(jets.multiplicity(jet) > 0, "an empty jet");
    sum += static_cast<double>(jets.describe(jet).size()) + jets.label[jet];
  }
  JetSet both = jets.slice(0, jets.num_jets());
  both.append(jets);
  const auto particles = static_cast<std::size_t>(both.num_constituents());
  require(both.p4.size() == 4 * particles && both.column.size() == particles, "sizes");
  require(sum >= 0 && both.num_jets() == 2 * jets.num_jets(), "jets");
  static_cast<void>(jets.describe_files());
}

bool use_cache(const Folder& folder, std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto log = [&](const std::string& line) { require_message(line, file.path().string()); };
  const auto found = read_cache(file.path(), folder.key, log);
  if (found) use(found->jets);
  return found.has_value();
}

}  // namespace

bool cache(std::string_view bytes) {
  static const Folder folder;
  const bool accepted = use_cache(folder, bytes);
  const auto repaired = with_right_sums(bytes, folder.header);
  return (!repaired.empty() && use_cache(folder, repaired)) || accepted;
}

}  // namespace lorentznet::fuzz
