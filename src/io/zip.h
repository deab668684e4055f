#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/bytes.h"
#include "io/inflate.h"

struct zip;  // libzip's
struct zip_file;

namespace lorentznet {

/// An entry of a zip archive, read in order. It keeps the archive open.
class ZipStream : public ByteSource {
 public:
  /// Checks the checksum and the announced size before it returns the last byte.
  std::size_t read(std::span<char> out) override;
  std::uint64_t announced_size() const override { return announced_; }

 private:
  friend class ZipArchive;
  struct Closer {
    void operator()(zip_file* file) const;
  };

  /// \param checksum  CRC-32 of the unpacked entry, if it is deflated: libzip unpacks other entries
  ZipStream(std::shared_ptr<zip> archive, std::uint64_t index, std::string what,
            std::uint64_t announced, std::optional<std::uint32_t> checksum);
  std::size_t read_some(std::span<char> out);
  std::size_t read_from_archive(std::span<char> out);
  [[noreturn]] void fail_damaged(const std::string& reason) const;
  void verify_end();

  std::shared_ptr<zip> archive_;
  std::unique_ptr<zip_file, Closer> file_;
  std::string what_;
  std::uint64_t announced_;
  std::optional<std::uint32_t> checksum_;
  std::unique_ptr<Inflater> inflater_;
  std::uint64_t delivered_ = 0;
  bool ended_ = false;
};

/// A zip archive (stored or deflated entries, zip64) opened for reading. \throws InputError if it
/// is not a zip or truncated, or if an entry is duplicated, missing, encrypted or damaged. Only one
/// thread at a time may use it and its streams.
class ZipArchive {
 public:
  explicit ZipArchive(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// Names of the entries, in order.
  const std::vector<std::string>& names() const { return names_; }
  bool has(std::string_view name) const { return index_.find(name) != index_.end(); }
  /// The unpacked size of an entry, as announced by the archive.
  std::uint64_t announced_size(std::string_view name) const;
  bool is_compressed(std::string_view name) const;
  /// The contents of an entry. Memory grows with the bytes that are there, not with the announced
  /// size. \throws InputError if the entry is larger than `max_bytes`
  std::string read(std::string_view name, std::uint64_t max_bytes) const;
  std::unique_ptr<ZipStream> stream(std::string_view name) const;

 private:
  std::uint64_t find(std::string_view name) const;

  std::filesystem::path path_;
  std::shared_ptr<zip> archive_;
  std::vector<std::string> names_;
  std::map<std::string, std::uint64_t, std::less<>> index_;
};

/// The bytes of a zip archive of stored (uncompressed) entries.
/// \param entries    name, contents
/// \param alignment  the contents of each entry begin at a multiple of it, at most 4096
std::string zip_bytes(const std::vector<std::pair<std::string, std::string_view>>& entries,
                      std::size_t alignment = 1);

}  // namespace lorentznet
