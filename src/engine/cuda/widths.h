#pragma once

#include <string>
#include <type_traits>
#include <utility>

namespace lorentznet::cuda {

inline constexpr int kMostScalars = 64;

/// f(std::integral_constant<int, H>) for the width `hidden`; whether there is one.
template <typename F>
bool with_width(int hidden, const F& f) {
  const auto one_of = [&]<int... kWidths>(std::integer_sequence<int, kWidths...>) {
    return ((hidden == kWidths && (f(std::integral_constant<int, kWidths>{}), true)) || ...);
  };
  return one_of(std::integer_sequence<int, 16, 24, 32, 48, 72, 96, 128>{});
}

/// Empty if there are kernels of these widths; else why not.
inline std::string why_no_width(int hidden, int scalars) {
  if (!with_width(hidden, [](auto) {})) {
    return "n_hidden " + std::to_string(hidden) + " is none of 16, 24, 32, 48, 72, 96, 128";
  }
  if (scalars > kMostScalars) {
    return std::to_string(scalars) + " scalars, more than " + std::to_string(kMostScalars);
  }
  return "";
}

}  // namespace lorentznet::cuda
