#pragma once

#include <string>
#include <type_traits>
#include <utility>

namespace lorentznet::cuda {

inline constexpr int kMostScalars = 64;

/// The hidden widths that the kernels are compiled for.
using Widths = std::integer_sequence<int, 16, 24, 32, 48, 72, 96, 128>;

/// f(std::integral_constant<int, H>) for each width.
template <typename F>
void with_each_width(const F& f) {
  const auto each = [&]<int... kWidths>(std::integer_sequence<int, kWidths...>) {
    (f(std::integral_constant<int, kWidths>{}), ...);
  };
  each(Widths{});
}

/// f(std::integral_constant<int, H>) for the width `hidden`; whether there is one.
template <typename F>
bool with_width(int hidden, const F& f) {
  const auto one_of = [&]<int... kWidths>(std::integer_sequence<int, kWidths...>) {
    return ((hidden == kWidths && (f(std::integral_constant<int, kWidths>{}), true)) || ...);
  };
  return one_of(Widths{});
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
