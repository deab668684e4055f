#include "kernels/engine_choice.h"

#include <c10/util/Exception.h>

namespace lorentznet {

template <>
const fused::Engine<float>& engine_of<float>(Isa isa) {
  TORCH_CHECK(runs_here(isa), "this processor does not run ", name(isa));
  if (isa == Isa::kAvx512) return fused::avx512_engine();
  if (isa == Isa::kAvx2) return fused::avx2_engine();
  return fused::portable_engine();
}

template <>
const fused::Engine<double>& engine_of<double>(Isa isa) {
  TORCH_CHECK(isa == Isa::kPortable,
              "the fused kernel takes a network of double on the portable instruction set only, "
              "not on ",
              name(isa));
  return fused::portable_engine_of_double();
}

}  // namespace lorentznet
