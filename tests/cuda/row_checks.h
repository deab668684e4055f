#pragma once

#include <cmath>
#include <vector>

#include "errors.h"
#include "node_batch.h"

namespace lorentznet::cuda {

/// Whether |got - want| is within its bound for each element.
template <typename T>
bool within_bounds(const std::vector<T>& got, const Bounded& want) {
  if (got.size() != want.value.size()) return false;
  for (std::size_t k = 0; k < got.size(); ++k) {
    if (!(std::abs(got[k] - want.value[k]) <= want.error[k])) return false;
  }
  return true;
}

template <typename T>
void check_rows(const std::vector<T>& got, const Bounded& want, double limit) {
  REQUIRE(got.size() == want.value.size());
  CHECK(within_bounds(got, want));
  CHECK(relative_rms(got, want.value) <= limit);
}

/// Of the first `nodes` nodes after an update.
inline void check_coordinates(const std::vector<double>& got, const NodeBatch& batch, int nodes) {
  REQUIRE(got.size() == 4 * static_cast<std::size_t>(nodes));
  for (int jet = 0; jet < batch.jets(); ++jet) {
    const int first = batch.offsets[jet], end = batch.offsets[jet + 1];
    const double step = kWeight / std::max(1, end - first - 1);
    for (int k = 4 * first; k < 4 * std::min(end, nodes); ++k) {
      CHECK(std::abs(got[k] - (batch.x[k] + step * batch.translation[k])) <= 1e-12);
    }
  }
}

}  // namespace lorentznet::cuda
