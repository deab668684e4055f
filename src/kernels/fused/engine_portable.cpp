#include "kernels/fused/edge_engine_of.h"
#include "kernels/fused/simd_portable.h"

namespace lorentznet::fused {

const EdgeEngine<float>& portable_engine() {
  static const EdgeEngineOf<Portable<float>> engine;
  return engine;
}

const EdgeEngine<double>& portable_engine_of_double() {
  static const EdgeEngineOf<Portable<double>> engine;
  return engine;
}

}  // namespace lorentznet::fused
