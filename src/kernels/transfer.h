#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <optional>
#include <span>

namespace lorentznet {

// Copies between the host and a device for which neither waits: those of GPUs need pinned memory.
// On the CPU nothing is copied.

/// [count] numbers in the host's memory, to be copied to or from `device`.
at::Tensor host_memory(std::int64_t count, at::ScalarType type, const at::Device& device);

/// The numbers on `device`.
at::Tensor send(std::span<const std::int64_t> numbers, const at::Device& device);
at::Tensor send(const at::Tensor& tensor, const at::Device& device);

/// Numbers that a device has computed, or will have, on their way to the host.
class ReadBack {
 public:
  /// \param numbers [N] double, without a gradient
  explicit ReadBack(const at::Tensor& numbers);

  /// Waits for the numbers, but not for what the device was given to do after them.
  std::span<const double> get() const;

 private:
  at::Tensor on_host_;
  std::optional<c10::Event> arrival_;  ///< none on the CPU
};

}  // namespace lorentznet
