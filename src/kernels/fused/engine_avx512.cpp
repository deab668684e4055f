#include "kernels/fused/edge_engine_of.h"
#include "kernels/fused/simd_avx512.h"

namespace lorentznet::fused {

const EdgeEngine<float>& avx512_engine() {
  static const EdgeEngineOf<Avx512> engine;
  return engine;
}

}  // namespace lorentznet::fused
