#pragma once

#include <string>

#include "io/json.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet::bench {

enum class Mode { kInference, kTraining };

/// "inference" or "training".
std::string name(Mode mode);
/// "fp32" or "bf16".
std::string name(Precision precision);

/// A kernel of the network's edge part. For the plain one, which takes what LibTorch takes, `isa`
/// is the best of this machine: that decides the peak it is compared with.
struct KernelChoice {
  bool fused = false;
  Isa isa = Isa::kPortable;
  Precision precision = Precision::kFp32;

  bool operator==(const KernelChoice&) const = default;
};

/// Makes `network` use it. \throws c10::Error if it can't
void use(const KernelChoice& choice, LorentzNetImpl& network);

/// "plain", "fused avx512 fp32", ...
std::string label(const KernelChoice& choice);

/// {"kernel", "isa", "precision"}
Json to_json(const KernelChoice& choice);

}  // namespace lorentznet::bench
