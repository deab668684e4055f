#include "train/checksum.h"

#include <xxhash.h>

namespace lorentznet {

void Checksum::add(std::span<const std::byte> bytes) {
  add(XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace lorentznet
