#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>

namespace lorentznet::test {

// A device that is no other than the CPU's own memory and kernels, but in LibTorch's eyes another
// one (PrivateUse1), so that what a GPU asks of the code around the kernels is tested without a
// GPU:
// - an operator fails if its tensors are on different devices; a CPU tensor of no dimension counts
//   as a number, as on a GPU;
// - fresh memory is full of NaN;
// - what a copy to pinned memory brings arrives when it is waited for, and is NaN before;
// - its generators are its own;
// - every operator that computes is counted, every wait of the host, and every copy.

/// \param index  0 .. kFakeDevices - 1
constexpr std::int8_t kFakeDevices = 4;
at::Device fake_device(std::int8_t index = 0);

/// What the program asked of the fake devices.
struct DeviceCounts {
  std::int64_t launches = 0;   ///< operators that compute: neither views nor allocations
  std::int64_t waits = 0;      ///< of the host, also in a copy that is not from or to pinned memory
  std::int64_t to_device = 0;  ///< copies
  std::int64_t to_host = 0;    ///< copies, that of item() included
  std::map<std::string, std::int64_t> launches_by_name = {};

  DeviceCounts since(const DeviceCounts& before) const;
};
DeviceCounts device_counts();

/// module.to(device), which LibTorch refuses in C++ for a device that it does not know.
void move_to(const torch::nn::Module& module, const at::Device& device);

/// The memory of a tensor on a fake device as a tensor on the CPU; others as they are.
at::Tensor cpu_view(const at::Tensor& tensor);

}  // namespace lorentznet::test
