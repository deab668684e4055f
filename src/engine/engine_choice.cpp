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

template <>
const fused::InferenceEngine<float>& inference_engine_of<float>(Isa isa, Precision precision) {
  if (precision == Precision::kFp32) return engine_of<float>(isa);
  require(isa == Isa::kAvx512 && has_bf16_dot(), "bf16 needs AVX-512 with dot products of bf16");
  return fused::avx512_bf16_engine();
}

template <>
const fused::InferenceEngine<double>& inference_engine_of<double>(Isa isa, Precision precision) {
  require(precision == Precision::kFp32, "bf16 is for a network of float");
  return engine_of<double>(isa);
}

}  // namespace lorentznet
