#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
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

/// What load_model_state() checks, without loading.
/// \throws InputError naming `file` and the tensor that is missing, left over or of another shape
void check_model_state(LorentzNetImpl& model, const StateDict& state,
                       const std::filesystem::path& file);

/// `tensor` as an array: of its own memory if it is contiguous and on the CPU, else of a copy.
/// \throws std::invalid_argument unless it is of float, double or int64
Array array_of(const at::Tensor& tensor);
StateDict arrays_of(const NamedTensors& tensors);

/// A copy of `array`.
at::Tensor tensor_of(const Array& array);

}  // namespace lorentznet
