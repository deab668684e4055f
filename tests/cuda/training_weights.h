#pragma once

#include <random>
#include <vector>

#include "node_batch.h"

namespace lorentznet::cuda {

inline constexpr double kGhostWeight = 7, kEpsilon = 1e-5, kMomentum = 0.1;

struct TrainingWeights {
  int hidden, scalars;
  std::mt19937 random{5};
  Linear in{2 * hidden + scalars, hidden, scalars, random};
  Linear out{hidden, hidden, 0, random};
  Linear receivers{hidden, hidden, 0, random};
  Linear senders{hidden, hidden, 0, random};
  Linear norm{1, hidden, 0, random};  ///< gamma and beta

  TrainingWeights(int h, int s) : hidden(h), scalars(s) {
    receivers.bias.assign(h, 0);
    senders.bias.assign(h, 0);
    for (float& gamma : norm.weight) gamma += 1;
  }
};

}  // namespace lorentznet::cuda
