#include "engine/engine_of.h"
#include "engine/simd_avx2.h"

namespace lorentznet::fused {

const Engine<float>& avx2_engine() {
  static const EngineOf<Avx2> engine;
  return engine;
}

}  // namespace lorentznet::fused
