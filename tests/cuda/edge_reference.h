#pragma once

#include <cstdint>
#include <vector>

#include "cuda_primitives.h"
#include "engine/engine.h"

namespace lorentznet::cuda {

/// A layer with drawn weights, as the CPU's engine reads it.
class RandomLayer {
 public:
  RandomLayer(int hidden, bool moves, unsigned seed);
  const fused::PackedLayer<float>& get() const { return layer_; }

 private:
  std::vector<float> memory_;
  fused::PackedLayer<float> layer_;
};

/// Jets end to end, with drawn inputs of an edge part. A jet of n nodes is the same in any batch.
struct JetsOfSizes {
  JetsOfSizes(const std::vector<int>& sizes, int hidden);
  int nodes() const { return static_cast<int>(span.size()); }

  int hidden;
  std::vector<int> offsets{0};  ///< [J+1]
  std::vector<int2> span;       ///< [P]
  std::vector<float> a, b;      ///< [P, H]
  std::vector<double> x;        ///< [P, 4]
};

/// What an edge part computes, in double.
struct EdgeReference {
  std::vector<double> message, translation;  ///< [P, H], [P, 4]
  /// How far off a kernel may be whose operands have relative errors up to `unit`, to first order.
  std::vector<double> message_bound, translation_bound;
};

/// The definition. \param unit  of the operands' format: 2^-11 for f16
EdgeReference edge_reference(const fused::PackedLayer<float>& layer, const JetsOfSizes& jets,
                             double unit);

}  // namespace lorentznet::cuda
