#pragma once

#include "kernels/fused/engine.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// The engine of an instruction set for a network of T.
/// \throws c10::Error if `isa` does not run here, or has no engine of double (only the portable one
///         has)
template <typename T>
const fused::Engine<T>& engine_of(Isa isa);

/// The engine of inference; bf16 in AVX-512 only.
/// \throws c10::Error if it does not run here
template <typename T>
const fused::InferenceEngine<T>& inference_engine_of(Isa isa, Precision precision);

}  // namespace lorentznet
