#include "data/jet_cache.h"

#include <cstdlib>
#include <optional>
#include <system_error>

#include "data/jet_cache_format.h"
#include "io/file.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

std::uintmax_t total_size(const std::vector<Path>& files) {
  std::uintmax_t bytes = 0;
  for (const Path& file : files) {
    std::error_code none;  // a file that is not there is told by its reader
    const auto size = std::filesystem::file_size(file, none);
    if (!none) bytes += size;
  }
  return bytes;
}

/// Found before the work, not after it.
void require_writable(const Path& folder) {
  try {
    std::filesystem::create_directories(folder);
    WholeFile probe(folder / "probe");  // removed without commit()
  } catch (const std::system_error& error) {
    throw InputError(folder.string() + ": the cache of the jets cannot be written (" +
                     error.code().message() +
                     "); --no_cache works without one, LORENTZNET_CACHE names another folder");
  }
}

}  // namespace

Path cache_file(const CacheKey& key) {
  const char* const elsewhere = std::getenv("LORENTZNET_CACHE");
  const Path folder = elsewhere != nullptr && *elsewhere != '\0'
                          ? Path(elsewhere)
                          : key.files.at(0).parent_path() / ".lorentznet-cache";
  return folder / (cache_name(key) + ".jets");
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
                     ": this file, or one beside it, changed while it was read");
  }
  write_cache(file, key, sources, jets);
  // The mapped jets take the place of those in memory; they can only be missing if another process
  // removed them.
  if (auto mapped = read_cache(file, key)) return std::move(*mapped);
  return jets;
}

}  // namespace lorentznet
