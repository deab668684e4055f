#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "data/jet_cache.h"
#include "lorentznet/jets.h"

namespace lorentznet {

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
