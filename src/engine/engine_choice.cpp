#include "engine/engine_choice.h"

#include <stdexcept>
#include <string>

namespace lorentznet {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

}  // namespace

template <>
const fused::Engine<float>& engine_of<float>(Isa isa) {
  require(runs_here(isa), "this processor does not run " + std::string(name(isa)));
  if (isa == Isa::kAvx512) return fused::avx512_engine();
  if (isa == Isa::kAvx2) return fused::avx2_engine();
  return fused::portable_engine();
}

template <>
const fused::Engine<double>& engine_of<double>(Isa isa) {
  require(
      isa == Isa::kPortable,
      "the fused kernel takes a network of double on the portable instruction set only, not on " +
          std::string(name(isa)));
  return fused::portable_engine_of_double();
}

}  // namespace lorentznet
