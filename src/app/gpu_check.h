#pragma once

#include "app/plan.h"
#include "lorentznet/communicator.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// Before a run uses the CUDA kernels: compares them with the plain kernel on the GPUs of all
/// ranks, with the network's weights. Collective.
///
/// \param arguments  whose kernel `chosen` is
/// \return `chosen`, with what was found, if they agree; else, with --kernel auto, the plain kernel
///         and a warning in `log`
/// \throws InputError if they don't agree and --kernel is fused or half
ChosenKernel check_gpu_kernel(LorentzNetImpl& network, const ChosenKernel& chosen,
                              const Arguments& arguments, const Communicator& ranks,
                              const Log& log);

}  // namespace lorentznet
