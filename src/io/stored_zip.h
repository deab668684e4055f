#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace lorentznet {

/// A zip archive whose entries are stored as they are, as in a checkpoint, opened for reading; also
/// zip64. Nothing of the file is trusted, and nothing but this floor is needed (zip.h reads
/// compressed archives too).
/// \throws InputError if the file is no zip archive or truncated, or if an entry is duplicated,
///         missing, encrypted, compressed or damaged
class StoredZip {
 public:
  explicit StoredZip(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// Names of the entries, in order.
  const std::vector<std::string>& names() const { return names_; }
  bool has(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  /// Bytes of an entry: no more than the file has.
  std::uint64_t size(std::string_view name) const { return find(name).size; }
  /// The contents of an entry. \throws InputError if it is larger than `max_bytes`
  std::string read(std::string_view name, std::uint64_t max_bytes) const;

 private:
  struct Entry {
    std::uint64_t header;  ///< where the entry's own header begins
    std::uint64_t size;
    std::uint32_t checksum;  ///< CRC-32
    std::uint16_t flags, method;
  };
  struct Table {
    std::uint64_t first, bytes, entries;
  };

  std::string bytes_at(std::uint64_t first, std::uint64_t count) const;
  std::string_view find_end(const std::string& tail) const;
  Table find_table() const;
  Table table_of_zip64(std::uint64_t end) const;
  void read_table(const Table& table);
  const Entry& find(std::string_view name) const;
  [[noreturn]] void fail(const std::string& reason) const;

  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t file_bytes_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace lorentznet
