#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lorentznet {

/// XXH3 of `bytes`, 64 bits, at the speed of memory: finds damage, not forgery.
std::uint64_t fast_hash(std::span<const std::byte> bytes);

}  // namespace lorentznet
