#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lorentznet {

/// A cursor over bytes that never leaves them: every length is checked against the bytes left, and
/// one that doesn't fit throws InputError. Numbers are little-endian. The bytes aren't copied, so
/// they must outlive the reader and the views that it returns.
class BoundedReader {
 public:
  /// `what` begins every message: "FILE" or "FILE: part of it".
  BoundedReader(std::string_view bytes, std::string what);

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  const std::string& what() const { return what_; }

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::int32_t i32() { return static_cast<std::int32_t>(number<std::uint32_t>()); }
  std::uint64_t u64() { return number<std::uint64_t>(); }

  /// The next `count` bytes.
  std::string_view take(std::uint64_t count);
  /// The bytes up to the next newline, which is passed over and not returned.
  std::string_view line();

  /// Throws InputError "WHAT: byte POSITION: MESSAGE".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  template <typename T>
  T number() {
    T value = 0;
    int shift = 0;
    for (const char byte : take(sizeof(T))) {
      value = static_cast<T>(
          value | static_cast<T>(static_cast<T>(static_cast<std::uint8_t>(byte)) << shift));
      shift += 8;
    }
    return value;
  }

  std::string_view bytes_;
  std::string what_;
  std::size_t position_ = 0;
};

/// Bytes that are read once, from front to back: a file or an entry of an archive.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Reads the next bytes into `out` and returns how many: out.size() unless the source ends
  /// before. Throws InputError when the bytes can't be had or are damaged.
  virtual std::size_t read(std::span<char> out) = 0;

  /// Number of bytes that the container announces in all. A hostile container may announce
  /// anything: use it to compare with, not to allocate.
  virtual std::uint64_t announced_size() const = 0;
};

}  // namespace lorentznet
