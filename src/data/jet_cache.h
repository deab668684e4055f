#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

// What was read of large files, kept without padding in a file that is mapped, not read, the next
// time. docs/data-files.md describes its format.

/// What a cache is of: the same files read in the same way.
struct CacheKey {
  std::vector<std::filesystem::path> files;
  std::int64_t max_jets = -1;
  BadJetRule rule;
};

/// Files that together are smaller are read at once, and nothing is kept of them.
inline constexpr std::uintmax_t smallest_cached = std::uintmax_t{64} << 20;

/// Returns the jets of `key.files` out of their cache, or, where there is none or it is of other
/// contents, what `read` returns, which is then kept. The cache is in the folder
/// ".lorentznet-cache" beside the first file, or in the one that the environment variable
/// LORENTZNET_CACHE names.
/// \throws InputError if the folder cannot be written, before anything is read; what `read` throws
JetSet read_through_cache(const CacheKey& key, const std::function<JetSet()>& read,
                          std::uintmax_t smallest = smallest_cached);

/// Where the cache of `key` is.
std::filesystem::path cache_file(const CacheKey& key);

/// The name of the cache of a key, the same for the same files whatever is in them.
std::string cache_name(const CacheKey& key);

/// Name, size, time of change and SHA-256 of each file of a key.
nlohmann::json describe_sources(const CacheKey& key);

/// Writes a cache, whole or not at all. \throws std::system_error
void write_cache(const std::filesystem::path& file, const CacheKey& key,
                 const nlohmann::json& sources, const JetSet& jets);

/// Maps a cache. \return nothing where there is none, or one of another version, of other files or
/// of changed ones, or one that is damaged: it is then to be written anew
std::optional<JetSet> read_cache(const std::filesystem::path& file, const CacheKey& key);

}  // namespace lorentznet
