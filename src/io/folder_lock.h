#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>

#include "io/file.h"

namespace lorentznet {

/// A lock on a folder, by which runs do not mix their files. It is on a small file in the folder
/// that names its holders, and vanishes with the process, however that ends; programs that the
/// process starts do not inherit it. The last holder removes the file.
class FolderLock {
 public:
  enum class Kind { kShared, kExclusive };
  static constexpr const char* kFileName = "run.lock";
  static constexpr auto kPatience = std::chrono::seconds(1);  ///< enough for a run that just ends

  explicit FolderLock(std::string file_name = kFileName) : file_name_(std::move(file_name)) {}
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

  /// Locks `folder`, which must exist. Later calls change nothing.
  /// \param holder  what this process is, for the messages of others: "training"
  /// \param advice  added to the error
  /// \return empty, or why the folder cannot be locked: its file system has no locks
  /// \throws InputError naming the folder and its holders if it is still in use after `patience`
  /// \throws std::system_error if the file can't be made
  std::string take(const std::filesystem::path& folder, Kind kind, const std::string& holder,
                   const std::string& advice = "", std::chrono::milliseconds patience = kPatience);

 private:
  bool sign(FileDescriptor file, Kind kind, bool alone, const std::string& holder);

  std::string file_name_;
  bool asked_ = false;
  std::filesystem::path path_;
  std::string line_;     ///< this process's in the file
  FileDescriptor file_;  ///< open while the lock is held
};

}  // namespace lorentznet
