#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/bytes.h"

namespace lorentznet {

/// An open file descriptor, closed on destruction.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  /// The caller now has to close the descriptor.
  int release() noexcept;

  /// Writes all of `bytes`. \throws std::system_error that names `path` if that fails (disk full,
  /// quota, file-size limit)
  void write_all(std::string_view bytes, const std::filesystem::path& path) const;

 private:
  int fd_ = -1;
};

/// open(2) with the permissions of new files, repeated when a signal interrupts it. If it fails,
/// the descriptor is not open, and errno tells why.
FileDescriptor open_file(const std::filesystem::path& path, int flags);

/// flock(2) without waiting, repeated when a signal interrupts it. If it fails, errno tells why.
/// \param operation  LOCK_EX or LOCK_SH
bool lock(const FileDescriptor& file, int operation);

/// A file opened for reading in order. \throws InputError if it cannot be opened or read
class FileSource : public ByteSource {
 public:
  explicit FileSource(std::filesystem::path path);
  std::size_t read(std::span<char> out) override;
  std::uint64_t announced_size() const override { return size_; }

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t size_ = 0;
};

/// The contents of a file. \throws InputError if it cannot be read or holds more than `max_bytes`
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Writes a file such that it appears under its name complete or not at all.
///
/// Bytes go to "TARGET.PID.N.partial" in the same folder; commit() makes them durable and renames
/// the file to TARGET. Without commit(), or after an error, the temporary file is removed and an
/// earlier TARGET stays unchanged. Every failing system call throws std::system_error, whose
/// message names the file and the system's reason.
class WholeFile {
 public:
  explicit WholeFile(std::filesystem::path target);
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  ~WholeFile();

  void append(std::string_view bytes);
  /// The last call: nothing can be appended afterwards.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path partial_;
  FileDescriptor file_;
};

/// Makes a file's bytes durable and renames it to `target`. \throws std::system_error
void make_durable(const std::filesystem::path& file, const std::filesystem::path& target);

/// Makes a folder and those above it, durably. \return those that were missing, the innermost first
/// \throws std::system_error
std::vector<std::filesystem::path> make_folders(const std::filesystem::path& folder);

/// Writes `contents` to `path` through a WholeFile.
void write_file_whole(const std::filesystem::path& path, std::string_view contents);

/// A file's bytes, mapped for reading. They stay valid while `memory` or a copy of it lives, even
/// if another file replaces this one.
struct MappedFile {
  std::shared_ptr<const void> memory;
  std::span<const char> bytes;
};

/// \throws InputError if the file cannot be opened or mapped
MappedFile map_file(const std::filesystem::path& path);

/// What is in a folder, sorted by name. \throws InputError if it cannot be listed
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder);

/// The files whose names end in one of `extensions` (".h5"), sorted by name. \throws InputError if
/// the folder cannot be listed
std::vector<std::filesystem::path> list_files(const std::filesystem::path& folder,
                                              const std::vector<std::string>& extensions);

/// "there is a.h5, b.h5", for messages about missing files.
std::string describe_files(const std::vector<std::filesystem::path>& files);

}  // namespace lorentznet
