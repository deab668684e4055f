#include "fuzz/common.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "support.h"

namespace lorentznet::fuzz {
namespace {

constexpr std::size_t kLongestMessage = 1000;

std::uint32_t number_at(std::string_view bytes, std::size_t place, std::size_t size) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + place, size);
  return value;
}

/// CRC-32 as in zip archives.
std::uint32_t crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> rests{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      rests[byte] = byte;
      for (int bit = 0; bit < 8; ++bit)
        rests[byte] = rests[byte] >> 1U ^ (rests[byte] % 2 != 0 ? 0xedb88320U : 0);
    }
    return rests;
  }();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = crc >> 8U ^ table[(crc ^ static_cast<unsigned char>(byte)) % 256];
  return ~crc;
}

/// Writes the CRC-32 of a stored entry into its header, at `local`, and into its row of the table,
/// at `row`.
void repair_entry(std::string& bytes, std::size_t row, std::size_t local) {
  constexpr std::size_t kHeaderBytes = 30;
  if (local > bytes.size() || bytes.size() - local < kHeaderBytes) return;
  const std::size_t begin =
      local + kHeaderBytes + number_at(bytes, local + 26, 2) + number_at(bytes, local + 28, 2);
  const std::size_t size = number_at(bytes, row + 24, 4);
  if (begin > bytes.size() || size > bytes.size() - begin) return;
  const auto crc = crc32(std::string_view(bytes).substr(begin, size));
  std::memcpy(bytes.data() + row + 16, &crc, sizeof crc);
  std::memcpy(bytes.data() + local + 14, &crc, sizeof crc);
}

}  // namespace

MemoryFile::MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto written = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (written <= 0) throw std::runtime_error("cannot write to memory");
    done += static_cast<std::size_t>(written);
  }
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

const std::filesystem::path& scratch_folder() {
  static const test::TemporaryFolder folder;
  return folder.path();
}

void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

void require_message(const std::string& message, const std::string& name) {
  const bool is_line = std::none_of(message.begin(), message.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < ' '; });
  require(is_line && message.size() <= kLongestMessage && message.starts_with(name),
          "message: " + message);
}

void require_sound(const JetSet& jets) {
  const auto count = static_cast<std::size_t>(jets.num_jets());
  require(jets.offsets.size() == count + 1 && jets.label.size() == count, "sizes of the jets");
  const auto particles = static_cast<std::size_t>(jets.offsets.back());
  require(jets.p4.size() == 4 * particles && jets.column.size() == particles,
          "sizes of the particles");
  require(std::is_sorted(jets.offsets.begin(), jets.offsets.end()) && jets.offsets.front() == 0,
          "offsets");
  for (std::size_t place = 0; place < jets.p4.size(); place += 4) {
    const double* p = &jets.p4[place];
    const double momentum = std::hypot(p[1], p[2], p[3]);
    require(p[0] > 0 && p[0] < 1e13 && momentum <= 1.02 * p[0], "an unphysical particle");
  }
}

std::string with_right_checksums(std::string_view bytes) {
  constexpr std::string_view kOfRow = "PK\x01\x02";
  constexpr std::size_t kRowBytes = 46;
  std::string repaired(bytes);
  for (auto row = repaired.find(kOfRow); row != std::string::npos;
       row = repaired.find(kOfRow, row + 1)) {
    if (repaired.size() - row < kRowBytes) break;
    const bool is_stored = number_at(repaired, row + 10, 2) == 0;
    if (is_stored) repair_entry(repaired, row, number_at(repaired, row + 42, 4));
  }
  return repaired;
}

}  // namespace lorentznet::fuzz
