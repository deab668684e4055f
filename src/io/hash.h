#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace lorentznet {

/// SHA-256 of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  void add(std::span<const char> bytes);
  /// 64 hexadecimal digits; the last call.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

/// SHA-256 of a file. \throws InputError if it cannot be read
std::string sha256_of_file(const std::filesystem::path& path);

/// XXH3 of `bytes`, 64 bits, at the speed of memory: finds damage, not forgery.
std::uint64_t fast_hash(std::span<const std::byte> bytes);

}  // namespace lorentznet
