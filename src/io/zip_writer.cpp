#include "io/zip_writer.h"

#include <zip.h>

#include <memory>
#include <stdexcept>

namespace lorentznet {
namespace {

constexpr time_t same_time = 315619200;  // 1980-01-02: the same contents are the same bytes

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
  if (got != static_cast<zip_int64_t>(bytes.size())) fail("cut off");
  return bytes;
}

void add_entry(zip_t* archive, const std::string& name, const std::string& contents) {
  zip_source_t* entry = zip_source_buffer(archive, contents.data(), contents.size(), 0);
  const zip_int64_t place =
      entry == nullptr ? -1 : zip_file_add(archive, name.c_str(), entry, ZIP_FL_ENC_UTF_8);
  if (place < 0) {
    zip_source_free(entry);
    fail(zip_strerror(archive));
  }
  const auto index = static_cast<zip_uint64_t>(place);
  if (zip_set_file_compression(archive, index, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_mtime(archive, index, same_time, 0) != 0) {
    fail(zip_strerror(archive));
  }
}

}  // namespace

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries) {
  zip_error_t error;
  zip_error_init(&error);
  const std::unique_ptr<zip_source_t, SourceCloser> memory(
      zip_source_buffer_create(nullptr, 0, 0, &error));
  if (!memory) fail(zip_error_strerror(&error));
  zip_source_keep(memory.get());  // the archive's, which it gives back on closing
  std::unique_ptr<zip_t, decltype(&zip_discard)> archive(
      zip_open_from_source(memory.get(), ZIP_TRUNCATE, &error), zip_discard);
  if (!archive) fail(zip_error_strerror(&error));
  for (const auto& [name, contents] : entries) add_entry(archive.get(), name, contents);
  if (zip_close(archive.get()) != 0) fail(zip_strerror(archive.get()));
  static_cast<void>(archive.release());
  return contents_of(memory.get());
}

}  // namespace lorentznet
