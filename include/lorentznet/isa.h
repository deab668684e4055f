#pragma once

#include <string_view>

namespace lorentznet {

/// Instruction sets for which the fused kernel is compiled, the most capable last.
enum class Isa {
  kPortable,  ///< that of every processor of the architecture
  kAvx2,      ///< AVX2 and FMA
  kAvx512,    ///< AVX-512 F, BW, DQ and VL
};

/// "portable", "avx2" or "avx512".
std::string_view name(Isa isa);

/// Whether this processor and its operating system support `isa`.
bool runs_here(Isa isa);

/// The instruction set that the environment variable LORENTZNET_ISA names, else the most capable
/// that this processor supports.
/// \throws InputError if the variable names none, or one that is not supported
Isa choose_isa();

}  // namespace lorentznet
