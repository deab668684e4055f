#pragma once

#include "engine/engine.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// The engine of an instruction set for a network of T.
/// \throws std::invalid_argument if `isa` does not run here, or has no engine of double (only the
/// portable one
///         has)
template <typename T>
const fused::Engine<T>& engine_of(Isa isa);

/// The engine of inference; bf16 in AVX-512 only.
/// \throws std::invalid_argument if it does not run here
template <typename T>
const fused::InferenceEngine<T>& inference_engine_of(Isa isa, Precision precision);

}  // namespace lorentznet
