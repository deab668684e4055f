#include "data/file_checksums.h"

#include <optional>
#include <system_error>

#include "io/hash.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Without its checksum; nothing if it is no regular file.
std::optional<DataFile> look_at(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  const auto bytes = std::filesystem::file_size(path, error);
  if (error) return std::nullopt;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return std::nullopt;
  return DataFile{path.string(), bytes, time.time_since_epoch().count(), {}};
}

}  // namespace

FileChecksums::FileChecksums(const std::vector<std::filesystem::path>& files) {
  for (const auto& path : files) {
    if (const auto file = look_at(path)) files_.push_back(*file);
  }
  sums_ = std::async(std::launch::async, [files = files_, stop = stop_.get_token()] {
    std::vector<std::string> sums;
    for (const auto& file : files) sums.push_back(sha256_of_file(file.file, stop));
    return sums;
  });
}

FileChecksums::~FileChecksums() { stop_.request_stop(); }  // the future then waits for the thread

std::vector<DataFile> FileChecksums::finish() {
  const auto sums = sums_.get();
  for (std::size_t k = 0; k < files_.size(); ++k) {
    auto& file = files_[k];
    const auto now = look_at(file.file);
    if (!now || now->bytes != file.bytes || now->time != file.time) {
      throw InputError(file.file + ": changed while it was read");
    }
    file.sha256 = sums[k];
  }
  return files_;
}

}  // namespace lorentznet
