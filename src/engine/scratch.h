#pragma once

namespace lorentznet::fused {

inline constexpr unsigned long kAlignment = 128;  ///< of Doubles<Avx512>

// Memory of the calling thread, taken and given back like a stack. A thread keeps what it once
// needed, so that a jet costs no allocation after one as large; it is freed when the thread ends.

/// Uninitialised, aligned to kAlignment.
void* take_scratch(unsigned long bytes);
/// \param memory  the piece that was taken last of those not yet given back
void give_back_scratch(void* memory);

}  // namespace lorentznet::fused
