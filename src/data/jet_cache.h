#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

// The jets of large files, kept without padding in a file that is mapped into memory the next time.
// docs/data-files.md describes its format.

/// Identifies a cache: the same files read in the same way.
struct CacheKey {
  std::vector<std::filesystem::path> files;
  std::int64_t max_jets = -1;
  BadJetRule rule;
};

/// Files smaller than this in all are not cached.
inline constexpr std::uintmax_t kSmallestCached = std::uintmax_t{64} << 20;

/// Returns the jets of `key.files` from their cache. If there is none, or if it is damaged, of
/// another version or older than the files, calls `read` and writes the cache. One that is damaged,
/// or that cannot be written, costs time alone: `log` receives a line about it.
/// \throws what `read` throws; InputError if a file changed while it was read
JetSet read_through_cache(const CacheKey& key, const std::function<JetSet()>& read,
                          const std::function<void(const std::string& line)>& log,
                          std::uintmax_t smallest = kSmallestCached);

/// Jets, and the files that they are from.
struct JetsAndFiles {
  JetSet jets;
  std::vector<DataFile> files;
};

/// The same with the files' checksums: those in the cache, else a thread computes them beside
/// `read`.
/// \param use_cache  false: neither look for a cache nor write one
JetsAndFiles read_with_checksums(const CacheKey& key, const std::function<JetSet()>& read,
                                 bool use_cache,
                                 const std::function<void(const std::string& line)>& log,
                                 std::uintmax_t smallest = kSmallestCached);

/// The jets in the cache `path`, or nothing: if there is none, or it is damaged, of another version
/// or older than the files. `log` receives a line about damage.
std::optional<JetsAndFiles> read_cache(const std::filesystem::path& path, const CacheKey& key,
                                       const std::function<void(const std::string& line)>& log);

/// The cache of `key`: in the folder ".lorentznet-cache" beside the first file, or in the one that
/// the environment variable LORENTZNET_CACHE names.
std::filesystem::path cache_file(const CacheKey& key);

}  // namespace lorentznet
