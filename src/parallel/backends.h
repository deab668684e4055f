#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace lorentznet {

// LibTorch's transports. One of backends/gloo.cpp and no_gloo.cpp is linked, and one of nccl.cpp
// and no_nccl.cpp. What a build does not have throws InputError.

using StorePointer = c10::intrusive_ptr<c10d::Store>;
using BackendPointer = c10::intrusive_ptr<c10d::Backend>;

/// A rank, and where it finds the others.
struct Place {
  StorePointer store;
  std::int64_t rank = 0, size = 1;
  bool one_machine = false;  ///< all ranks run on this machine
};

/// For tensors on the CPU. The environment variable GLOO_SOCKET_IFNAME chooses the network
/// interface.
/// \param timeout  of each operation
BackendPointer make_gloo(const Place& place, std::chrono::milliseconds timeout);

/// What tells a GPU from all others, on any machine.
std::string gpu_identity(const c10::Device& device);

/// For tensors on GPUs; `device` is this rank's.
BackendPointer make_nccl(const Place& place, std::chrono::milliseconds timeout,
                         const c10::Device& device);

}  // namespace lorentznet
