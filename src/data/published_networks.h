#pragma once

#include <cstdint>

namespace lorentznet {

/// What a published network computes besides its weights, which its checkpoint does not say.
struct PublishedNetwork {
  double c_weight;
  std::int64_t n_nodes;  ///< the constant of its pooling; 0: it pools over the batch
};
inline constexpr PublishedNetwork kPublishedTop{5e-3, 0}, kPublishedQuarkGluon{1e-3, 139};

}  // namespace lorentznet
