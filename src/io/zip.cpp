#include "io/zip.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "io/file.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// libzip accepts an empty file as an empty archive, and has one error for a truncated archive and
/// a file that is none.
std::string describe_unreadable(const std::filesystem::path& path) {
  FileSource source(path);
  std::array<char, 4> magic{};
  const std::size_t got = source.read(magic);
  if (got == 0) return "is empty, expected a zip archive";
  if (std::string_view(magic.data(), got) == "PK\x03\x04") {
    return "is a truncated zip archive: its " + std::to_string(source.announced_size()) +
           " bytes do not end with a table of contents";
  }
  return "is not a zip archive: it begins with " + in_quotes({magic.data(), got}) +
         ", expected 'PK\\x03\\x04'";
}

std::string libzip_message(zip_error_t& error) {
  std::string message = zip_error_strerror(&error);
  zip_error_fini(&error);
  return message;
}

std::shared_ptr<zip> open_archive(const std::filesystem::path& path) {
  if (FileSource(path).announced_size() == 0 || std::filesystem::is_directory(path)) {
    throw InputError(path.string() + ": " + describe_unreadable(path));
  }
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (archive == nullptr) {
    if (code == ZIP_ER_NOZIP) throw InputError(path.string() + ": " + describe_unreadable(path));
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    throw InputError(path.string() + ": damaged zip archive: " + libzip_message(error));
  }
  return {archive, zip_discard};  // zip_close would write
}

zip_stat_t stat_entry(zip* archive, std::uint64_t index, const std::string& what) {
  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat_index(archive, index, 0, &status) != 0 || !(status.valid & ZIP_STAT_SIZE)) {
    throw InputError(what + ": has no size: " + zip_strerror(archive));
  }
  return status;
}

// 1980-01-02, so that equal contents give equal bytes, in every time zone.
constexpr zip_uint16_t kSameDate = (1U << 5U) | 2U;

[[noreturn]] void fail(const char* reason) {
  throw std::runtime_error(std::string("cannot make a zip archive: ") + reason);
}

struct SourceCloser {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};

std::string contents_of(zip_source_t* source) {
  zip_stat_t status;
  if (zip_source_stat(source, &status) != 0 || !(status.valid & ZIP_STAT_SIZE)) fail("no size");
  std::string bytes(status.size, '\0');
  if (zip_source_open(source) != 0) fail(zip_error_strerror(zip_source_error(source)));
  const zip_int64_t got = zip_source_read(source, bytes.data(), bytes.size());
  zip_source_close(source);
  if (got != static_cast<zip_int64_t>(bytes.size())) fail("truncated");
  return bytes;
}

class ZipWriter {
 public:
  ZipWriter(zip_t* archive, std::size_t alignment) : archive_(archive), alignment_(alignment) {}

  void add(const std::string& name, std::string_view contents) {
    zip_source_t* entry = zip_source_buffer(archive_, contents.data(), contents.size(), 0);
    const zip_int64_t place =
        entry == nullptr ? -1 : zip_file_add(archive_, name.c_str(), entry, ZIP_FL_ENC_UTF_8);
    if (place < 0) {
      zip_source_free(entry);
      fail(zip_strerror(archive_));
    }
    const auto index = static_cast<zip_uint64_t>(place);
    if (zip_set_file_compression(archive_, index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive_, index, 0, kSameDate, 0) != 0) {
      fail(zip_strerror(archive_));
    }
    constexpr std::size_t kHeader = 30;  // of an entry, before its name and its extra fields
    position_ += kHeader + name.size();
    if (position_ % alignment_ != 0) pad(index);
    position_ += contents.size();
  }

 private:
  /// Fills up to the alignment with an extra field of the id that PyTorch uses for this.
  void pad(zip_uint64_t index) {
    constexpr std::size_t kFieldHeader = 4;
    constexpr zip_uint16_t kId = 0x4246;  // "FB"
    position_ += kFieldHeader;
    const std::vector<zip_uint8_t> padding((alignment_ - position_ % alignment_) % alignment_, 'Z');
    position_ += padding.size();
    if (zip_file_extra_field_set(archive_, index, kId, ZIP_EXTRA_FIELD_NEW, padding.data(),
                                 static_cast<zip_uint16_t>(padding.size()), ZIP_FL_LOCAL) != 0) {
      fail(zip_strerror(archive_));
    }
  }

  zip_t* archive_;
  std::size_t alignment_;
  std::size_t position_ = 0;  // in the file
};

}  // namespace

void ZipStream::Closer::operator()(zip_file* file) const { zip_fclose(file); }

ZipStream::ZipStream(std::shared_ptr<zip> archive, std::uint64_t index, std::string what,
                     std::uint64_t announced, std::optional<std::uint32_t> checksum)
    : archive_(std::move(archive)),
      what_(std::move(what)),
      announced_(announced),
      checksum_(checksum) {
  file_.reset(zip_fopen_index(archive_.get(), index, checksum ? ZIP_FL_COMPRESSED : 0));
  if (!file_) throw InputError(what_ + ": cannot be unpacked: " + zip_strerror(archive_.get()));
  if (!checksum) return;  // libzip unpacks and compares the checksum
  inflater_ =
      std::make_unique<Inflater>([this](std::span<char> out) { return read_from_archive(out); });
}

void ZipStream::fail_damaged(const std::string& reason) const {
  throw InputError(what_ + ": damaged after " + std::to_string(delivered_) + " of " +
                   std::to_string(announced_) + " bytes: " + reason);
}

std::size_t ZipStream::read_from_archive(std::span<char> out) {
  const zip_int64_t got = zip_fread(file_.get(), out.data(), out.size());
  if (got < 0) fail_damaged(zip_file_strerror(file_.get()));
  return static_cast<std::size_t>(got);
}

std::size_t ZipStream::read_some(std::span<char> out) {
  if (!inflater_) return read_from_archive(out);
  const std::size_t got = inflater_->read(out);
  if (!inflater_->error().empty()) fail_damaged(inflater_->error());
  if (got == 0 && inflater_->checksum() != checksum_) fail_damaged("CRC error");
  return got;
}

std::size_t ZipStream::read(std::span<char> out) {
  const std::size_t wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), announced_ - delivered_));
  std::size_t filled = 0;
  while (filled < wanted) {
    const std::size_t got = read_some(out.subspan(filled, wanted - filled));
    if (got == 0) {
      throw InputError(what_ + ": ends after " + std::to_string(delivered_) + " bytes, " +
                       std::to_string(announced_) + " are announced");
    }
    filled += got;
    delivered_ += got;
  }
  if (delivered_ == announced_) verify_end();
  return filled;
}

/// libzip compares the checksum when it reaches the end, which takes one more read.
void ZipStream::verify_end() {
  if (ended_) return;
  char extra = 0;
  if (read_some({&extra, 1}) != 0) {
    throw InputError(what_ + ": holds more than the " + std::to_string(announced_) +
                     " bytes that are announced");
  }
  ended_ = true;
}

ZipArchive::ZipArchive(std::filesystem::path path)
    : path_(std::move(path)), archive_(open_archive(path_)) {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* name = zip_get_name(archive_.get(), index, ZIP_FL_ENC_RAW);
    if (name == nullptr) {
      throw InputError(path_.string() + ": entry " + std::to_string(i) +
                       " has no name: " + zip_strerror(archive_.get()));
    }
    if (!index_.emplace(name, index).second) {
      throw InputError(path_.string() + ": holds the entry " + in_quotes(name) +
                       " twice, expected once");
    }
    names_.emplace_back(name);
  }
}

std::uint64_t ZipArchive::find(std::string_view name) const {
  const auto place = index_.find(name);
  if (place != index_.end()) return place->second;
  throw InputError(path_.string() + ": has no entry " + in_quotes(name) + " among its " +
                   std::to_string(names_.size()));
}

std::uint64_t ZipArchive::announced_size(std::string_view name) const {
  return stat_entry(archive_.get(), find(name), path_.string() + ": entry " + in_quotes(name)).size;
}

bool ZipArchive::is_compressed(std::string_view name) const {
  const zip_stat_t status =
      stat_entry(archive_.get(), find(name), path_.string() + ": entry " + in_quotes(name));
  return (status.valid & ZIP_STAT_COMP_METHOD) && status.comp_method != ZIP_CM_STORE;
}

std::unique_ptr<ZipStream> ZipArchive::stream(std::string_view name) const {
  const std::uint64_t index = find(name);
  std::string what = path_.string() + ": entry " + in_quotes(name);
  const zip_stat_t status = stat_entry(archive_.get(), index, what);
  if ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) && status.encryption_method != ZIP_EM_NONE) {
    throw InputError(what + ": is encrypted (method " + std::to_string(status.encryption_method) +
                     "), expected a plain entry");
  }
  const auto needed = ZIP_STAT_COMP_METHOD | ZIP_STAT_CRC;
  std::optional<std::uint32_t> checksum;
  if ((status.valid & needed) == needed && status.comp_method == ZIP_CM_DEFLATE) {
    checksum = status.crc;
  }
  // Not make_unique: the constructor is private.
  return std::unique_ptr<ZipStream>(
      new ZipStream(archive_, index, std::move(what), status.size, checksum));
}

std::string ZipArchive::read(std::string_view name, std::uint64_t max_bytes) const {
  constexpr std::uint64_t kFirstChunk = 1 << 16;
  const auto source = stream(name);
  const std::uint64_t size = source->announced_size();
  if (size > max_bytes) {
    throw InputError(path_.string() + ": entry " + in_quotes(name) + " announces " +
                     std::to_string(size) + " bytes, expected at most " +
                     std::to_string(max_bytes));
  }
  std::string contents;
  do {
    const std::size_t before = contents.size();
    contents.resize(std::min(size, std::max<std::uint64_t>(kFirstChunk, 2 * before)));
    source->read(std::span(contents).subspan(before));
  } while (contents.size() < size);
  return contents;
}

std::string zip_bytes(const std::vector<std::pair<std::string, std::string_view>>& entries,
                      std::size_t alignment) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_source_t, SourceCloser> memory(
      zip_source_buffer_create(nullptr, 0, 0, &error));
  if (!memory) fail(zip_error_strerror(&error));
  zip_source_keep(memory.get());  // for the archive, which frees it on closing
  std::unique_ptr<zip_t, decltype(&zip_discard)> archive(
      zip_open_from_source(memory.get(), ZIP_TRUNCATE, &error), zip_discard);
  if (!archive) fail(zip_error_strerror(&error));
  ZipWriter writer(archive.get(), alignment);
  for (const auto& [name, contents] : entries) writer.add(name, contents);
  if (zip_close(archive.get()) != 0) fail(zip_strerror(archive.get()));
  static_cast<void>(archive.release());
  return contents_of(memory.get());
}

}  // namespace lorentznet
