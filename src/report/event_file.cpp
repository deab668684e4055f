#include "report/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace lorentznet {
namespace {

static_assert(std::endian::native == std::endian::little,
              "TFRecord and protobuf are little-endian");

// The part of protobuf's wire format that scalars need: varints, fixed numbers, and bytes or
// messages preceded by their length.
enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

template <typename Number>
void put_raw(std::string& out, Number value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(Number)>>(value);
  out.append(bytes.data(), bytes.size());
}

void put_key(std::string& out, unsigned field, Wire wire) {
  put_varint(out, (field << 3) | static_cast<unsigned>(wire));
}

void put_integer(std::string& out, unsigned field, std::int64_t value) {
  put_key(out, field, Wire::kVarint);
  put_varint(out, static_cast<std::uint64_t>(value));
}

void put_bytes(std::string& out, unsigned field, const std::string& bytes) {
  put_key(out, field, Wire::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

double now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_epoch).count();
}

/// tensorflow.Event with wall_time = 1 and step = 2.
std::string event_at(std::int64_t step) {
  std::string event;
  put_key(event, 1, Wire::kFixed64);
  put_raw(event, now());
  put_integer(event, 2, step);
  return event;
}

/// Summary.Value with tag = 1 and simple_value = 2.
std::string summary_value(const Scalar& scalar) {
  std::string value;
  put_bytes(value, 1, scalar.tag);
  put_key(value, 2, Wire::kFixed32);
  put_raw(value, static_cast<float>(scalar.value));
  return value;
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
    table.at(byte) = crc;
  }
  return table;
}

/// TFRecord's checksum: rotated and shifted, because a CRC of bytes that hold CRCs is weak.
std::uint32_t masked_crc(const std::string& bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

/// The seconds in the name of the folder's last event file; 0 if there is none.
std::int64_t last_seconds(const std::filesystem::path& folder) {
  std::int64_t last = 0;
  if (!std::filesystem::exists(folder)) return last;  // opening the file will report that
  for (const auto& path : list_folder(folder)) {
    const auto name = path.filename().string();
    if (!name.starts_with(kEventFilePrefix)) continue;
    last = std::max<std::int64_t>(last, std::atoll(name.c_str() + kEventFilePrefix.size()));
  }
  return last;
}

/// Seconds, host and process. TensorBoard reads the files in the order of their names, so this one
/// sorts after the others.
std::filesystem::path new_name(const std::filesystem::path& folder) {
  std::array<char, 256> host{"host"};
  gethostname(host.data(), host.size() - 1);
  const auto seconds = std::max(static_cast<std::int64_t>(now()), last_seconds(folder) + 1);
  return folder / (std::string(kEventFilePrefix) + std::to_string(seconds) + "." + host.data() +
                   "." + std::to_string(getpid()));
}

}  // namespace

std::uint32_t crc32c(const std::string& bytes) {
  static constexpr auto kTable = crc_table();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTable.at((crc ^ static_cast<unsigned char>(byte)) & 0xFF);
  }
  return ~crc;
}

EventFile::EventFile(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_at)
    : path_(new_name(folder)), file_(open_file(path_, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC)) {
  if (!file_.is_open()) throw std::system_error(errno, std::generic_category(), path_.string());
  auto first = event_at(0);
  put_bytes(first, 3, "brain.Event:2");  // file_version
  write_record(first);
  if (resumed_at) {
    std::string start;
    put_integer(start, 1, 1);  // SessionLog.status = START
    // TensorBoard drops this event's own step too, so it is that of the next step.
    auto event = event_at(*resumed_at + 1);
    put_bytes(event, 7, start);
    write_record(event);
  }
}

void EventFile::add(std::int64_t step, const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const auto& scalar : scalars) put_bytes(summary, 1, summary_value(scalar));
  auto event = event_at(step);
  put_bytes(event, 5, summary);
  write_record(event);
}

void EventFile::write_record(const std::string& event) const {
  std::string record, length;
  put_raw(length, std::uint64_t{event.size()});
  record = length;
  put_raw(record, masked_crc(length));
  record += event;
  put_raw(record, masked_crc(event));
  file_.write_all(record, path_);
}

}  // namespace lorentznet
