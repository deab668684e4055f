#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "io/fast_hash.h"

namespace lorentznet {

/// A number that depends on every bit and on the order of what is added: FNV-1a on words; much at
/// once becomes a word by XXH3, at the speed of memory.
class Checksum {
 public:
  void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 1099511628211U; }
  void add(std::span<const std::byte> bytes) { add(fast_hash(bytes)); }
  std::int64_t value() const { return std::bit_cast<std::int64_t>(hash_); }

 private:
  std::uint64_t hash_ = 14695981039346656037U;
};

}  // namespace lorentznet
