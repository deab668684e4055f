#include "kernels/transfer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

namespace lorentznet {

at::Tensor host_memory(std::int64_t count, at::ScalarType type, const at::Device& device) {
  return at::empty({count}, at::TensorOptions(type).pinned_memory(!device.is_cpu()));
}

at::Tensor send(std::span<const std::int64_t> numbers, const at::Device& device) {
  const auto on_host = host_memory(static_cast<std::int64_t>(numbers.size()), at::kLong, device);
  std::copy(numbers.begin(), numbers.end(), on_host.mutable_data_ptr<std::int64_t>());
  return on_host.to(device, /*non_blocking=*/true);
}

at::Tensor send(const at::Tensor& tensor, const at::Device& device) {
  if (!tensor.is_cpu() || device.is_cpu()) return tensor.to(device);
  const auto on_host = host_memory(tensor.numel(), tensor.scalar_type(), device);
  return on_host.copy_(tensor.flatten()).view(tensor.sizes()).to(device, /*non_blocking=*/true);
}

ReadBack::ReadBack(const at::Tensor& numbers) : on_host_(numbers.contiguous()) {
  const auto device = numbers.device();
  if (device.is_cpu()) return;
  on_host_ = host_memory(numbers.numel(), numbers.scalar_type(), device);
  on_host_.copy_(numbers, /*non_blocking=*/true);
  arrival_.emplace(device.type());
  arrival_->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

std::span<const double> ReadBack::get() const {
  if (arrival_) arrival_->synchronize();
  return {on_host_.const_data_ptr<double>(), static_cast<std::size_t>(on_host_.numel())};
}

}  // namespace lorentznet
