#include "io/stored_zip.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "io/bytes.h"
#include "io/message.h"
#include "lorentznet/error.h"

// The format: APPNOTE.TXT of PKWARE, 6.3.10. A table of contents stands at the end, then its place.
namespace lorentznet {
namespace {

constexpr std::uint32_t kOfEntry = 0x04034b50, kOfTable = 0x02014b50, kOfEnd64 = 0x06064b50,
                        kOfPlace64 = 0x07064b50;
constexpr std::uint64_t kEntryBytes = 30, kTableRow = 46, kEndBytes = 22, kEnd64Bytes = 56,
                        kPlace64Bytes = 20, kMostComment = 0xffff;
constexpr std::uint32_t kIn64 = 0xffffffff;  ///< the number stands in an extra field instead
constexpr std::uint16_t kEncrypted = 1;

/// Eight tables of CRC-32, so that eight bytes are done at a time.
struct CrcTables {
  std::array<std::array<std::uint32_t, 256>, 8> of{};

  constexpr CrcTables() {
    constexpr std::uint32_t kPolynomial = 0xedb88320;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t rest = byte;
      for (int bit = 0; bit < 8; ++bit) rest = rest >> 1U ^ ((rest & 1U) != 0 ? kPolynomial : 0);
      of[0][byte] = rest;
    }
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      for (std::size_t k = 1; k < 8; ++k) {
        const auto before = of[k - 1][byte];
        of[k][byte] = before >> 8U ^ of[0][before & 0xffU];
      }
    }
  }
};
constexpr CrcTables kCrc;

/// The sizes and the place of a row that are too large for it: they stand in the extra field 1, in
/// this order, where the row has kIn64.
void read_extra(std::string_view extra, std::array<std::uint64_t*, 3> numbers,
                const std::string& what) {
  BoundedReader fields(extra, what);
  while (fields.left() >= 4) {
    const auto id = fields.u16();
    BoundedReader field(fields.take(fields.u16()), what);
    if (id != 1) continue;
    for (auto* number : numbers) {
      if (*number == kIn64) *number = field.u64();
    }
  }
}

/// CRC-32 as in zip archives.
std::uint32_t crc32_of(std::string_view bytes) {
  auto crc = ~std::uint32_t{0};
  const auto& of = kCrc.of;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes.data(), 8);
    eight ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= of[7 - k][eight >> 8 * k & 0xffU];
  }
  for (const char byte : bytes) {
    crc = crc >> 8U ^ of[0][(crc ^ static_cast<unsigned char>(byte)) & 0xffU];
  }
  return ~crc;
}

}  // namespace

StoredZip::StoredZip(std::filesystem::path path)
    : path_(std::move(path)), file_(open_file(path_, O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (!file_.is_open() || ::fstat(file_.get(), &status) != 0) {
    fail("cannot be opened: " + std::generic_category().message(errno));
  }
  if (S_ISDIR(status.st_mode)) fail("is a folder, expected a zip archive");
  file_bytes_ = static_cast<std::uint64_t>(status.st_size);
  if (file_bytes_ == 0) fail("is empty, expected a zip archive");
  read_table(find_table());
}

void StoredZip::fail(const std::string& reason) const { throw_file_error(path_.string(), reason); }

std::string StoredZip::bytes_at(std::uint64_t first, std::uint64_t count) const {
  if (first > file_bytes_ || count > file_bytes_ - first) {
    fail("damaged zip archive: bytes " + std::to_string(first) + " and the next " +
         std::to_string(count) + " are not all in its " + std::to_string(file_bytes_));
  }
  std::string bytes(count, '\0');
  for (std::uint64_t filled = 0; filled < count;) {
    const ssize_t got = ::pread(file_.get(), bytes.data() + filled, count - filled,
                                static_cast<off_t>(first + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read: " + std::generic_category().message(errno));
    if (got == 0) fail("became shorter while it was read");
    filled += static_cast<std::uint64_t>(got);
  }
  return bytes;
}

/// The end record, out of the file's last bytes: it is followed by a comment of the length that it
/// says.
std::string_view StoredZip::find_end(const std::string& tail) const {
  constexpr std::string_view kSignature = "PK\x05\x06";
  const std::string_view bytes = tail;
  for (auto at = bytes.rfind(kSignature); at != bytes.npos;
       at = at == 0 ? bytes.npos : bytes.rfind(kSignature, at - 1)) {
    const auto from_here = bytes.substr(at);
    if (from_here.size() < kEndBytes) continue;
    BoundedReader end(from_here, path_.string());
    end.take(kEndBytes - 2);
    if (end.u16() == end.left()) return from_here;
  }
  const auto magic = bytes_at(0, std::min<std::uint64_t>(4, file_bytes_));
  if (magic == "PK\x03\x04") {
    fail("is a truncated zip archive: its " + std::to_string(file_bytes_) +
         " bytes do not end with a table of contents");
  }
  fail("is not a zip archive: it begins with " + in_quotes(magic) + ", expected 'PK\\x03\\x04'");
}

StoredZip::Table StoredZip::find_table() const {
  const auto tail_bytes = std::min(file_bytes_, kEndBytes + kMostComment);
  const auto tail = bytes_at(file_bytes_ - tail_bytes, tail_bytes);
  const auto found = find_end(tail);
  const auto end_at = file_bytes_ - found.size();
  BoundedReader end(found, path_.string());
  end.take(8);
  const std::uint64_t on_this_disk = end.u16(), entries = end.u16(), bytes = end.u32(),
                      first = end.u32();
  const bool is64 = entries == 0xffff || bytes == kIn64 || first == kIn64;
  const auto table = is64 ? table_of_zip64(end_at) : Table{first, bytes, entries};
  if (!is64 && on_this_disk != entries) fail("damaged zip archive: of several volumes");
  if (table.first > end_at || table.bytes > end_at - table.first ||
      table.entries > table.bytes / kTableRow) {
    fail("damaged zip archive: " + std::to_string(table.entries) + " entries in " +
         std::to_string(table.bytes) + " bytes from byte " + std::to_string(table.first) + " of " +
         std::to_string(file_bytes_));
  }
  return table;
}

StoredZip::Table StoredZip::table_of_zip64(std::uint64_t end) const {
  if (end < kPlace64Bytes) fail("damaged zip archive: no room for the table's place");
  const auto place_bytes = bytes_at(end - kPlace64Bytes, kPlace64Bytes);
  BoundedReader place(place_bytes, path_.string());
  if (place.u32() != kOfPlace64) fail("damaged zip archive: the table's place is missing");
  place.take(4);
  const auto record_bytes = bytes_at(place.u64(), kEnd64Bytes);
  BoundedReader record(record_bytes, path_.string());
  if (record.u32() != kOfEnd64) fail("damaged zip archive: the table's place is wrong");
  record.take(28);
  Table table{};
  table.entries = record.u64();
  table.bytes = record.u64();
  table.first = record.u64();
  return table;
}

void StoredZip::read_table(const Table& table) {
  const auto bytes = bytes_at(table.first, table.bytes);
  BoundedReader rows(bytes, path_.string() + ": table of contents");
  for (std::uint64_t k = 0; k < table.entries; ++k) {
    if (rows.u32() != kOfTable) rows.fail("not a row of the table");
    rows.take(4);
    Entry entry{};
    entry.flags = rows.u16();
    entry.method = rows.u16();
    rows.take(4);
    entry.checksum = rows.u32();
    std::uint64_t packed = rows.u32();
    entry.size = rows.u32();
    const auto name_bytes = rows.u16(), extra_bytes = rows.u16(), comment_bytes = rows.u16();
    rows.take(8);
    entry.header = rows.u32();
    const std::string name(rows.take(name_bytes));
    read_extra(rows.take(extra_bytes), {&entry.size, &packed, &entry.header}, rows.what());
    rows.take(comment_bytes);
    if (!entries_.emplace(name, entry).second) {
      fail("holds the entry " + in_quotes(name) + " twice, expected once");
    }
    names_.push_back(name);
  }
}

const StoredZip::Entry& StoredZip::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  fail("has no entry " + in_quotes(name) + " among its " + std::to_string(names_.size()));
}

std::string StoredZip::read(std::string_view name, std::uint64_t max_bytes) const {
  const Entry& entry = find(name);
  const auto fail_entry = [&](const std::string& reason) {
    fail("entry " + in_quotes(name) + " " + reason);
  };
  if ((entry.flags & kEncrypted) != 0) fail_entry("is encrypted, expected a plain entry");
  if (entry.method != 0) {
    fail_entry("is compressed (method " + std::to_string(entry.method) +
               "), expected a stored entry");
  }
  if (entry.size > max_bytes) {
    fail_entry("announces " + std::to_string(entry.size) + " bytes, expected at most " +
               std::to_string(max_bytes));
  }
  const auto header_bytes = bytes_at(entry.header, kEntryBytes);
  BoundedReader header(header_bytes, path_.string());
  if (header.u32() != kOfEntry) fail_entry("is not where the table of contents says");
  header.take(22);
  const std::uint64_t name_bytes = header.u16(), extra_bytes = header.u16();
  const auto begin = entry.header + kEntryBytes;
  if (bytes_at(begin, name_bytes) != name) fail_entry("has another name in its header");
  auto contents = bytes_at(begin + name_bytes + extra_bytes, entry.size);
  if (crc32_of(contents) != entry.checksum) {
    fail_entry("is damaged: its checksum is not that of its " + std::to_string(entry.size) +
               " bytes");
  }
  return contents;
}

}  // namespace lorentznet
