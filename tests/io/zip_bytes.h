#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet::test {

/// The checksum of zip archives, bit by bit.
inline std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0u);
  }
  return ~crc;
}

/// One entry of a zip archive as it is laid down in the file, truthful or not.
struct ZipBytes {
  ZipBytes(std::string entry_name, std::string contents)
      : name(std::move(entry_name)), data(std::move(contents)) {
    crc = crc32(data);
    size = static_cast<std::uint32_t>(data.size());
  }

  std::string name;
  std::string data;          ///< as stored
  std::uint16_t flags = 0;   ///< bit 0: encrypted
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;     ///< of the contents
  std::uint32_t size = 0;    ///< of the contents
};

/// `count` zero bytes, deflated 150 to 1: one literal, then repetitions of 258 (13 bits each).
/// `count` is one more than a multiple of 258.
inline std::string deflated_zeros(std::uint64_t count) {
  std::string out;
  unsigned buffer = 0;
  int filled = 0;
  const auto put = [&](std::string_view bits) {
    for (const char bit : bits) {
      buffer |= static_cast<unsigned>(bit - '0') << filled;
      if (++filled < 8) continue;
      out += static_cast<char>(buffer);
      buffer = 0;
      filled = 0;
    }
  };
  put("110");       // the last block, fixed Huffman codes
  put("00110000");  // the literal 0
  for (std::uint64_t i = 0; i < count / 258; ++i) put("1100010100000");
  put("0000000");  // end of block
  put("0000000");  // to the next byte
  return out;
}

/// The bytes of an archive of these entries.
inline std::string archive_bytes(const std::vector<ZipBytes>& entries) {
  const auto number = [](std::uint64_t value, int count) {
    std::string bytes;
    for (; count > 0; --count, value >>= 8) bytes += static_cast<char>(value);
    return bytes;
  };
  std::string file, directory;
  for (const ZipBytes& e : entries) {
    // From "version needed" to "length of extra field", which both headers share.
    const std::string common = number(20, 2) + number(e.flags, 2) + number(e.method, 2) +
                               number(0, 2) + number(33, 2) + number(e.crc, 4) +
                               number(e.data.size(), 4) + number(e.size, 4) +
                               number(e.name.size(), 2) + number(0, 2);
    directory +=
        "PK\x01\x02" + number(20, 2) + common + number(0, 10) + number(file.size(), 4) + e.name;
    file += "PK\x03\x04" + common + e.name + e.data;
  }
  return file + directory + "PK\x05\x06" + number(0, 4) + number(entries.size(), 2) +
         number(entries.size(), 2) + number(directory.size(), 4) + number(file.size(), 4) +
         number(0, 2);
}

}  // namespace lorentznet::test
