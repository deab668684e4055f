#pragma once

#include <memory>
#include <vector>

#include "engine/engine.h"

namespace lorentznet::cuda {

// Inference on a GPU: plain pointers, without LibTorch. One of two sources is linked: kernels.cu,
// or no_kernels.cpp in a build without nvcc.

/// How the operands of products are rounded.
enum class Precision {
  kFloat,  ///< f16x3, two numbers of f16 for each: as accurate as float
  kHalf,   ///< f16: logits are off by 1e-4 to 1e-3
};

/// Jets end to end: J jets, P nodes. Pointers are of the device unless said otherwise.
struct JetBatch {
  const std::vector<int>& host_offsets;  ///< [J+1] in the processor's memory
  const int* offsets;                    ///< the same
  const double* momenta;                 ///< [P, 4]
  const float* scalars;                  ///< [P, S]
  const float* n_nodes;                  ///< [J] divisor of each jet's pooled embedding
  float* logits;                         ///< [J, classes] overwritten
};

/// A network on the current GPU. A jet's logits have the same bits in any batch. One thread at a
/// time.
class Inference {
 public:
  virtual ~Inference() = default;
  /// Puts the computation into the GPU's default stream: 2 launches a layer, and 2.
  /// \throws std::runtime_error if the device has too little memory, or shared memory for jets this
  ///         large
  virtual void run(const JetBatch& jets) = 0;
};

/// \throws std::invalid_argument  with why_no_kernels()
std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network,
                                          Precision precision);

}  // namespace lorentznet::cuda
