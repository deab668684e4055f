#include "io/sizes.h"

namespace lorentznet {

std::optional<std::int64_t> checked_product(std::span<const std::int64_t> sizes) {
  std::int64_t product = 1;  // of the sizes that are not zero
  bool is_empty = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      is_empty = true;
      continue;
    }
    if (product > kMaxElements / size) return std::nullopt;
    product *= size;
  }
  return is_empty ? 0 : product;
}

}  // namespace lorentznet
