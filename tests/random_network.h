#pragma once

#include <cstdint>
#include <vector>

#include "tagger/network.h"

namespace lorentznet::test {

/// A jet as a network takes it: n nodes.
struct Jet {
  int n;
  std::vector<double> x, scalars;  ///< [n, 4], [n, S]
  double n_nodes;
};

Jet random_jet(int n, std::int64_t scalars, unsigned seed);

/// A small random network under the published names, in double.
StateDict random_state(const NetworkShape& shape);

}  // namespace lorentznet::test
