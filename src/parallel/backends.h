#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace lorentznet {

// LibTorch's transports. What a build does not have, throws InputError: of backends/gloo.cpp and
// no_gloo.cpp, and of nccl.cpp and no_nccl.cpp, one is linked.

using StorePointer = c10::intrusive_ptr<c10d::Store>;
using BackendPointer = c10::intrusive_ptr<c10d::Backend>;

/// A rank's place, and where it finds the others.
struct Place {
  StorePointer store;
  std::int64_t rank = 0, size = 1;
  bool one_machine = false;  ///< all ranks are on this one
};

/// Between processors. The environment's GLOO_SOCKET_IFNAME chooses the network interface.
/// \param timeout  of an operation
BackendPointer make_gloo(const Place& place, std::chrono::milliseconds timeout);

/// Between GPUs; `device` is this rank's.
BackendPointer make_nccl(const Place& place, std::chrono::milliseconds timeout,
                         const c10::Device& device);

}  // namespace lorentznet
