#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace lorentznet {

/// The tensors' values, outside autograd's graph and with rows one after the other; undefined ones
/// stay so.
inline std::vector<at::Tensor> detached(std::vector<at::Tensor> tensors) {
  for (auto& tensor : tensors) {
    if (tensor.defined()) tensor = tensor.detach().contiguous();
  }
  return tensors;
}

}  // namespace lorentznet
