#pragma once

#include <bit>
#include <cstdint>

namespace lorentznet {

/// A number that depends on every bit and on the order of the words that are added: FNV-1a on
/// words.
class Checksum {
 public:
  void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 1099511628211U; }
  std::int64_t value() const { return std::bit_cast<std::int64_t>(hash_); }

 private:
  std::uint64_t hash_ = 14695981039346656037U;
};

}  // namespace lorentznet
