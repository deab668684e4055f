#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace lorentznet::bench {

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

double median(const std::vector<double>& values) { return quantile(values, 0.5); }

Json spread(const std::vector<double>& values) {
  return {{"median", median(values)},
          {"low", quantile(values, 0.25)},
          {"high", quantile(values, 0.75)}};
}

std::vector<double> quotients(const std::vector<double>& numerators,
                              const std::vector<double>& denominators) {
  std::vector<double> result(numerators.size());
  std::transform(numerators.begin(), numerators.end(), denominators.begin(), result.begin(),
                 std::divides<>());
  return result;
}

}  // namespace lorentznet::bench
