#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lorentznet {

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
