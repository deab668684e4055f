#define USE_C10D_NCCL  // what the wheel's header asks for
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAFunctions.h>
#include <unistd.h>

#include <array>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "lorentznet/error.h"
#include "parallel/backends.h"

namespace lorentznet {

/// The machine's name and the GPU's UUID; parts of a GPU (MIG) have UUIDs of their own.
std::string gpu_identity(const c10::Device& device) {
  if (!at::hasCUDA()) return device.str();
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::string identity = host.data();
  identity += " GPU-";
  for (const char byte : at::cuda::getDeviceProperties(device.index())->uuid.bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    identity += {kDigits[value / 16], kDigits[value % 16]};
  }
  return identity;
}

BackendPointer make_nccl(const Place& place, std::chrono::milliseconds timeout,
                         const c10::Device& device) {
  if (!at::hasCUDA()) throw InputError("device " + device.str() + ": there is no GPU");
  using Nccl = c10d::ProcessGroupNCCL;
  c10::cuda::set_device(device.index());
  const auto options = Nccl::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<Nccl>(place.store, static_cast<int>(place.rank),
                                   static_cast<int>(place.size), options);
}

}  // namespace lorentznet
