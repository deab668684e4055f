#pragma once

#include <string_view>

namespace lorentznet {

/// Instruction sets for which the fused kernel is compiled, the most capable last.
enum class Isa {
  kPortable,  ///< that of every processor of the architecture
  kAvx2,      ///< AVX2 and FMA
  kAvx512,    ///< AVX-512 F, BW, DQ and VL
};

/// Type of the fused kernel's products over edges in inference; sums are float with both.
enum class Precision { kFp32, kBf16 };

/// "portable", "avx2" or "avx512".
std::string_view name(Isa isa);

/// Whether this processor and its operating system support `isa`.
bool runs_here(Isa isa);

/// Whether this processor has AVX-512 with dot products of bfloat16.
bool has_bf16_dot();

/// The instruction set that the environment variable LORENTZNET_ISA names, else the most capable
/// that this processor supports.
/// \throws InputError if the variable names none, or one that is not supported
Isa choose_isa();

}  // namespace lorentznet
