#pragma once

#include "engine/cuda/widths.h"

namespace lorentznet::cuda {

/// Whether a kernel of width H is tested: each that there is, or only those of
/// LORENTZNET_TESTED_WIDTHS, with which scripts/emulator_checks.py compiles tests again and again.
constexpr bool is_tested([[maybe_unused]] int hidden) {
#ifdef LORENTZNET_TESTED_WIDTHS
  for (const int width : {LORENTZNET_TESTED_WIDTHS}) {
    if (width == hidden) return true;
  }
  return false;
#else
  return true;
#endif
}

/// f(std::integral_constant<int, H>) for each tested width.
template <typename F>
void with_tested_widths(const F& f) {
  with_each_width([&]<int H>(std::integral_constant<int, H> width) {
    if constexpr (is_tested(H)) f(width);
  });
}

}  // namespace lorentznet::cuda
