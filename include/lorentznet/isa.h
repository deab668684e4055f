#pragma once

#include <string_view>

namespace lorentznet {

/// Instruction sets that the fused kernel is compiled for, from the least to the most capable.
enum class Isa {
  kPortable,  ///< what every processor of the architecture has
  kAvx2,      ///< AVX2 and FMA
  kAvx512,    ///< AVX-512 F, BW, DQ and VL
};

/// Of the fused kernel's products over edges in inference; sums are of float in both.
enum class Precision { kFp32, kBf16 };

/// "portable", "avx2" or "avx512".
std::string_view name(Isa isa);

/// Whether this processor (and its operating system) runs `isa`.
bool runs_here(Isa isa);

/// Whether this processor has AVX-512's dot products of bfloat16.
bool has_bf16_dot();

/// The one that the environment variable LORENTZNET_ISA names, else the most capable that runs
/// here. \throws InputError if the variable names none, or one that does not run here
Isa choose_isa();

}  // namespace lorentznet
