#include "lorentznet/isa.h"

#include <array>
#include <cstdlib>
#include <string>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::array kFromBest{Isa::kAvx512, Isa::kAvx2, Isa::kPortable};

}  // namespace

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kPortable:
      break;
  }
  return "portable";
}

bool runs_here(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return __builtin_cpu_supports("x86-64-v4") != 0;
    case Isa::kAvx2:
      return __builtin_cpu_supports("x86-64-v3") != 0;
    case Isa::kPortable:
      break;
  }
  return true;
}

bool has_bf16_dot() { return runs_here(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16") != 0; }

Isa choose_isa() {
  const char* variable = std::getenv("LORENTZNET_ISA");
  const std::string wanted = variable == nullptr ? "" : variable;
  for (const auto isa : kFromBest) {
    if (wanted.empty() ? runs_here(isa) : wanted == name(isa)) {
      if (runs_here(isa)) return isa;
      throw InputError("LORENTZNET_ISA: this processor does not run '" + wanted + "'");
    }
  }
  throw InputError("LORENTZNET_ISA: '" + wanted + "' is not portable, avx2 or avx512");
}

}  // namespace lorentznet
