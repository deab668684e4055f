#include "model/check_batch.h"

#include "io/message.h"
#include "kernels/kernel.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

void require_tensor(const std::string& name, const at::Tensor& tensor,
                    const std::vector<std::int64_t>& expected, const at::Device& device) {
  if (!tensor.defined()) throw InputError("batch: " + name + " is missing");
  if (tensor.sizes() != expected) {
    throw InputError("batch: " + name + " is " + format_shape(tensor.sizes().vec()) +
                     ", its jets and the network need " + format_shape(expected));
  }
  if (tensor.device() != device) {
    throw InputError("batch: " + name + " is on " + tensor.device().str() + ", the network on " +
                     device.str());
  }
  if (!tensor.is_floating_point()) {
    throw InputError(c10::str("batch: ", name, " is of ", tensor.scalar_type(), ", not of Double"));
  }
}

/// Only on the CPU: to look at a GPU's numbers would make every batch wait for it.
void require_positive(const at::Tensor& n_nodes) {
  if (!n_nodes.is_cpu()) return;
  const auto values = n_nodes.to(at::kDouble).contiguous();
  const auto* const value = values.const_data_ptr<double>();
  for (std::int64_t jet = 0; jet < values.numel(); ++jet) {
    if (value[jet] > 0) continue;
    throw InputError(c10::str("batch: n_nodes of jet ", jet, " is ", format_number(value[jet]),
                              ", not above 0"));
  }
}

}  // namespace

void check_batch(const Batch& batch, std::int64_t n_scalar, const at::Device& device) {
  check_offsets(batch.offsets);
  const auto nodes = batch.offsets.back();
  require_tensor("p4", batch.p4, {nodes, 4}, device);
  require_tensor("scalars", batch.scalars, {nodes, n_scalar}, device);
  require_tensor("n_nodes", batch.n_nodes, {batch.num_jets(), 1}, device);
  require_positive(batch.n_nodes);
}

}  // namespace lorentznet
