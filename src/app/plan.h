#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <optional>
#include <string>

#include "app/arguments.h"
#include "app/experiment.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

// From flags, data and what earlier runs saved, to what the library takes.

/// The device that --device names; without it, a GPU if there is one and the build can use it.
/// Several processes of a machine use one GPU each.
/// \param local_rank  of this process on its machine
/// \throws InputError if the device does not exist
at::Device choose_device(const std::string& name, std::int64_t local_rank = 0);

/// The kernel of a run.
struct ChosenKernel {
  std::optional<Isa> fused = {};  ///< instruction set of the fused kernel; empty: the plain kernel
  std::optional<GpuPrecision> gpu = {};  ///< of the GPU's fused kernels; empty: not these
  std::string why_plain = {};            ///< what the fused kernel cannot compute, if that decided
  std::string agreement = {};            ///< what check_gpu_kernel() found
};

/// \throws InputError if --kernel demands the fused kernel and it cannot compute the
///         network, or as choose_isa()
ChosenKernel choose_kernel(const Arguments& arguments, const at::Device& device);

/// What of a run the data decide.
struct Plan {
  Task task;                  ///< for the scalars of the jets, with or without beams
  LorentzNetOptions network;  ///< its shape
  PoolingRule rule;
  std::string pooling_line;  ///< that announces the rule
};

/// \throws InputError if network, data and flags do not fit each other
Plan make_plan(const Task& task, const Experiment& experiment, const DataSplits& data);

/// In test mode, before jets are read: whether the checkpoint is of the network that args.json and
/// the flags describe. \throws InputError naming file and tensor
void check_checkpoint(const Task& task, const Experiment& experiment);

/// Gives the network the kernel. \return the line that announces it
std::string use_kernel(LorentzNetImpl& network, const ChosenKernel& kernel);

}  // namespace lorentznet
