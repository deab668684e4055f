#include "engine/engine_of.h"
#include "engine/simd_avx512.h"

namespace lorentznet::fused {

const Engine<float>& avx512_engine() {
  static const EngineOf<Avx512> engine;
  return engine;
}

}  // namespace lorentznet::fused
