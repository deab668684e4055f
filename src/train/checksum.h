#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/hash.h"

namespace lorentznet {

/// A number that depends on every bit and on the order of what is added: XXH3 of the parts' XXH3.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) { parts_.push_back(fast_hash(bytes)); }
  std::int64_t value() const {
    return std::bit_cast<std::int64_t>(fast_hash(std::as_bytes(std::span(parts_))));
  }

 private:
  std::vector<std::uint64_t> parts_;
};

}  // namespace lorentznet
