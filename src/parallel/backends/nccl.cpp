#define USE_C10D_NCCL  // what the wheel's header asks for
#include <c10/cuda/CUDAFunctions.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "parallel/backends.h"

namespace lorentznet {

BackendPointer make_nccl(const Place& place, std::chrono::milliseconds timeout,
                         const c10::Device& device) {
  using Nccl = c10d::ProcessGroupNCCL;
  c10::cuda::set_device(device.index());
  const auto options = Nccl::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<Nccl>(place.store, static_cast<int>(place.rank),
                                   static_cast<int>(place.size), options);
}

}  // namespace lorentznet
