#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace lorentznet {

/// The most elements of an array in a file: the bytes of as many doubles can still be counted.
inline constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 8;

/// The product of sizes that a file gives. Nothing if a size is negative, as an unsigned one of
/// 2^63 or more becomes, or if the product of those that are not zero is above kMaxElements, so
/// that the product of any of them could overflow.
std::optional<std::int64_t> checked_product(std::span<const std::int64_t> sizes);

}  // namespace lorentznet
