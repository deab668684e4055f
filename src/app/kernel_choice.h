#pragma once

#include <c10/core/Device.h>

#include <optional>
#include <string>

#include "app/arguments.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

/// The kernel that runs, and why.
struct KernelChoice {
  std::optional<Isa> fused = {};  ///< instruction set of the fused kernel; none: the plain kernel
  Precision precision = Precision::kFp32;
  std::string why_plain = {};  ///< what the fused kernel can't do; empty if it wasn't asked for
};

/// What --kernel and --precision ask for. \throws InputError if the fused kernel was asked for, or
/// is needed for the precision, and can't do it; or as choose_isa() does
KernelChoice choose_kernel(const Arguments& arguments, const at::Device& device);

/// Gives the network the kernel. \return the line that says which
std::string use_kernel(LorentzNetImpl& network, const KernelChoice& choice);

}  // namespace lorentznet
