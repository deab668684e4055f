#include "engine/engine_of.h"
#include "engine/simd_portable.h"

namespace lorentznet::fused {

const Engine<float>& portable_engine() {
  static const EngineOf<Portable<float>> engine;
  return engine;
}

const Engine<double>& portable_engine_of_double() {
  static const EngineOf<Portable<double>> engine;
  return engine;
}

}  // namespace lorentznet::fused
