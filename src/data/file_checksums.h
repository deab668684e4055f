#pragma once

#include <filesystem>
#include <future>
#include <stop_token>
#include <string>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

/// The SHA-256 of files, computed by a thread while others read them.
class FileChecksums {
 public:
  /// Begins at once. What is no regular file is left out: its reader reports it.
  explicit FileChecksums(const std::vector<std::filesystem::path>& files);
  FileChecksums(const FileChecksums&) = delete;
  FileChecksums& operator=(const FileChecksums&) = delete;
  /// Does not wait for the rest of a large file.
  ~FileChecksums();

  /// Waits for the thread; the last call.
  /// \throws InputError naming a file that has changed in size or time since the constructor
  std::vector<DataFile> finish();

 private:
  std::vector<DataFile> files_;
  std::stop_source stop_;
  std::future<std::vector<std::string>> sums_;
};

}  // namespace lorentznet
