#include "app/kernel_choice.h"

#include <fmt/format.h>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::int64_t kMinHidden = 8, kMaxHidden = 256;

/// What of the run the fused kernel can't do; empty if it can do all.
std::string obstacle(const Arguments& arguments, const at::Device& device) {
  if (!device.is_cpu()) return "device " + device.str();
  if (arguments.coordinates != "double") return "coordinates in " + arguments.coordinates;
  const auto hidden = arguments.n_hidden;
  if (hidden < kMinHidden) return fmt::format("n_hidden {} is below {}", hidden, kMinHidden);
  if (hidden > kMaxHidden) return fmt::format("n_hidden {} is above {}", hidden, kMaxHidden);
  return "";
}

void check_bf16(Isa isa) {
  if (!has_bf16_dot()) throw InputError("--precision bf16: this processor has no AVX512-BF16");
  if (isa != Isa::kAvx512) {
    throw InputError(
        fmt::format("--precision bf16: needs avx512, LORENTZNET_ISA says {}", name(isa)));
  }
}

}  // namespace

KernelChoice choose_kernel(const Arguments& arguments, const at::Device& device) {
  if (arguments.kernel == "plain") return {};
  const bool bf16 = arguments.precision == "bf16";
  const auto why_plain = obstacle(arguments, device);
  if (!why_plain.empty()) {
    if (arguments.kernel == "auto" && !bf16) return {.why_plain = why_plain};
    throw InputError(fmt::format("--{}: the fused kernel can't be used: {}",
                                 bf16 ? "precision bf16" : "kernel fused", why_plain));
  }
  const auto isa = choose_isa();
  if (bf16) check_bf16(isa);
  return {.fused = isa, .precision = bf16 ? Precision::kBf16 : Precision::kFp32};
}

std::string use_kernel(LorentzNetImpl& network, const KernelChoice& choice) {
  if (choice.fused) {
    network.use_fused_kernel(*choice.fused, choice.precision);
  } else {
    network.use_plain_kernel();
  }
  const auto why = choice.why_plain.empty() ? "" : fmt::format(" ({})", choice.why_plain);
  return "Kernel: " + network.kernel_name() + why;
}

}  // namespace lorentznet
