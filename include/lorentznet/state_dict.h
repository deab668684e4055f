#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace lorentznet {

/// The named tensors of a model, in the file's order. Names are the model's own
/// ("embedding.weight"), without the "module." that a checkpoint of a training run puts in front.
using StateDict = std::vector<std::pair<std::string, at::Tensor>>;

/// Reads the state dict that Python's torch.save, or write_state_dict, wrote as a zip archive
/// (".pt"): a dict or OrderedDict from names to float, double or int64 tensors.
///
/// "module." in front of the names is taken off; all of them have it or none. The device that a
/// tensor was saved from does not matter. The tensors are contiguous, on the CPU, and own their
/// memory.
///
/// The file need not be trusted: nothing in it is executed, every length in it is checked against
/// what is there, and everything that is not such a state dict throws InputError, one line that
/// begins with the file's name. There is no fallback to another reader.
StateDict read_state_dict(const std::filesystem::path& path);

/// Writes `tensors` so that Python's torch.load(path, weights_only=True) reads them, as CPU
/// tensors with "module." in front of every name; equal content gives equal bytes. The file
/// appears whole or not at all (WholeFile).
///
/// Tensors are float, double or int64, of any shape, strides and device. Throws c10::Error when
/// one is not, or when a name occurs twice or begins with "module."; std::system_error when the
/// file can't be written.
void write_state_dict(const std::filesystem::path& path, const StateDict& tensors);

}  // namespace lorentznet
