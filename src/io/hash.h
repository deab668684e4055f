#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

namespace lorentznet {

/// SHA-256 of bytes added piece by piece.
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

/// SHA-256 of a file, or of its beginning if a stop is requested. \throws InputError if it cannot
/// be read
std::string sha256_of_file(const std::filesystem::path& path, const std::stop_token& stop = {});

/// 64-bit XXH3, as fast as memory. It detects damage, not forgery.
std::uint64_t fast_hash(std::span<const std::byte> bytes);

}  // namespace lorentznet
