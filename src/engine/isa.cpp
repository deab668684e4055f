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
    case Isa::kAvx512:  // x86-64-v4, a name that clang 14 does not know here
      return runs_here(Isa::kAvx2) && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
             __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    case Isa::kAvx2:  // x86-64-v3
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
             __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0;
    case Isa::kPortable:
      break;
  }
  return true;
}

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
