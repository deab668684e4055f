#pragma once

#include "lorentznet/checkpoint.h"

namespace lorentznet::test {

/// Of the same type and shape, bit for bit.
inline bool same_bits(const Array& a, const Array& b) {
  return a.type() == b.type() && a.shape() == b.shape() && a.bytes() == b.bytes();
}

}  // namespace lorentznet::test
