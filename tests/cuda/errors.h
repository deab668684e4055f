#pragma once

#include <cmath>
#include <stdexcept>
#include <vector>

namespace lorentznet::cuda {

/// Root of the mean square of the error, relative to that of what is expected; NaN if one is.
template <typename T>
double relative_rms(const std::vector<T>& found, const std::vector<double>& expected) {
  if (found.size() != expected.size()) throw std::invalid_argument("of another size");
  double errors = 0, squares = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    errors += std::pow(found[k] - expected[k], 2);
    squares += std::pow(expected[k], 2);
  }
  return errors == 0 ? 0 : std::sqrt(errors / squares);
}

}  // namespace lorentznet::cuda
