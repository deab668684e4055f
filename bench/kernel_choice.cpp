#include "bench/kernel_choice.h"

namespace lorentznet::bench {

std::string name(Mode mode) { return mode == Mode::kTraining ? "training" : "inference"; }

std::string name(Precision precision) { return precision == Precision::kBf16 ? "bf16" : "fp32"; }

void use(const KernelChoice& choice, LorentzNetImpl& network) {
  if (choice.fused) {
    network.use_fused_kernel(choice.isa, choice.precision);
  } else {
    network.use_plain_kernel();
  }
}

std::string label(const KernelChoice& choice) {
  if (!choice.fused) return "plain";
  return "fused " + std::string(name(choice.isa)) + " " + name(choice.precision);
}

Json to_json(const KernelChoice& choice) {
  return {{"kernel", choice.fused ? "fused" : "plain"},
          {"isa", name(choice.isa)},
          {"precision", name(choice.precision)}};
}

}  // namespace lorentznet::bench
