#pragma once

#include <string>
#include <string_view>

namespace lorentznet {

/// SHA-256 (FIPS 180-4) of `bytes`, 64 hexadecimal digits. For a checkpoint, where the tagger needs
/// no library; io/hash.h is ten times as fast.
std::string sha256_of(std::string_view bytes);

}  // namespace lorentznet
