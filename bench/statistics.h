#pragma once

#include <vector>

#include "io/json.h"

namespace lorentznet::bench {

/// The q-quantile (0 <= q <= 1) of at least one value, interpolated between neighbours.
double quantile(std::vector<double> values, double q);

double median(const std::vector<double>& values);

/// {"median", "low", "high"}: low and high are the quartiles.
Json spread(const std::vector<double>& values);

/// The quotients of two equally long series, element by element.
std::vector<double> quotients(const std::vector<double>& numerators,
                              const std::vector<double>& denominators);

}  // namespace lorentznet::bench
