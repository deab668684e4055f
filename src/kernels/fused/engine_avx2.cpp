#include "kernels/fused/edge_engine_of.h"
#include "kernels/fused/simd_avx2.h"

namespace lorentznet::fused {

const EdgeEngine<float>& avx2_engine() {
  static const EdgeEngineOf<Avx2> engine;
  return engine;
}

}  // namespace lorentznet::fused
