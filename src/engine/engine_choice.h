#pragma once

#include "engine/engine.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// The engine of an instruction set for a network of T.
/// \throws std::invalid_argument if this processor does not run `isa`, or T is double (which only
///         the portable engine has)
template <typename T>
const fused::Engine<T>& engine_of(Isa isa);

}  // namespace lorentznet
