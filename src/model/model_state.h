#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "lorentznet/checkpoint.h"
#include "lorentznet/lorentznet.h"

namespace lorentznet {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Parameters and running statistics of `model` under the published names, in the order of a
/// checkpoint.
NamedTensors named_tensors(LorentzNetImpl& model);

/// `tensor` as an array: of its own memory if it is contiguous and on the CPU, else of a copy.
/// \throws std::invalid_argument unless it is of float, double or int64
Array array_of(const at::Tensor& tensor);
StateDict arrays_of(const NamedTensors& tensors);

/// A copy of `array`.
at::Tensor tensor_of(const Array& array);

}  // namespace lorentznet
