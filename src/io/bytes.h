#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lorentznet {

/// Reads bytes in order and never beyond their end: \throws InputError if fewer bytes are left than
/// asked for. Numbers are little-endian. The bytes are not copied, so they must outlive the reader
/// and the views that it returns.
class BoundedReader {
 public:
  /// Every message begins with `what`: "FILE" or "FILE: part of it".
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
  /// The bytes up to the next newline, which is skipped.
  std::string_view line();

  /// \throws InputError "WHAT: byte POSITION: MESSAGE"
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

/// Bytes that are read once, in order: a file or an entry of an archive.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Reads the next bytes into `out`. \return their number: out.size() unless the source ends first
  /// \throws InputError if the bytes cannot be read or are damaged
  virtual std::size_t read(std::span<char> out) = 0;

  /// Number of bytes in all, as announced by the container. A hostile container may announce
  /// anything: compare with it, but do not allocate by it.
  virtual std::uint64_t announced_size() const = 0;
};

}  // namespace lorentznet
