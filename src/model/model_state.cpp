#include "model/model_state.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <map>
#include <stdexcept>

#include "io/message.h"

namespace lorentznet {
namespace {

constexpr std::pair<at::ScalarType, ElementType> kTypes[]{{at::kFloat, ElementType::kFloat},
                                                          {at::kDouble, ElementType::kDouble},
                                                          {at::kLong, ElementType::kInt64}};

/// The width of the first Linear is the number of input scalars, which tells the tasks apart.
void check_task(const LorentzNetImpl& model, const at::Tensor& embedding,
                const std::filesystem::path& file) {
  if (embedding.dim() != 2) return;
  const auto task = [](std::int64_t scalars) {
    return scalars == 2 ? " (top tagging)" : " (quark/gluon tagging)";
  };
  const auto found = embedding.size(1), expected = model.options().n_scalar;
  const bool both_known = (found == 2 && expected == 8) || (found == 8 && expected == 2);
  if (!both_known) return;
  throw_file_error(
      file,
      fmt::format("a checkpoint of another task: it takes {} input scalars{}, this program {}{}",
                  found, task(found), expected, task(expected)));
}

void check_tensor(const std::string& name, const at::Tensor& found, const at::Tensor& expected,
                  const std::filesystem::path& file) {
  if (found.sizes() != expected.sizes()) {
    throw_file_error(
        file, fmt::format("tensor {} has shape {}, the network's has {}", name,
                          format_shape(found.sizes().vec()), format_shape(expected.sizes().vec())));
  }
  if (found.is_floating_point() != expected.is_floating_point()) {
    throw_file_error(file,
                     fmt::format("tensor {} is of type {}, the network's of type {}", name,
                                 toString(found.scalar_type()), toString(expected.scalar_type())));
  }
  if (!at::isfinite(found).all().item<bool>()) {
    throw_file_error(file, fmt::format("tensor {} holds a value that is not finite", name));
  }
}

}  // namespace

NamedTensors named_tensors(LorentzNetImpl& model) {
  NamedTensors tensors;
  for (const auto& module : model.named_modules()) {
    const auto prefix = module.key().empty() ? "" : module.key() + ".";
    for (const auto& p : module.value()->named_parameters(/*recurse=*/false)) {
      tensors.emplace_back(prefix + p.key(), p.value());
    }
    for (const auto& b : module.value()->named_buffers(/*recurse=*/false)) {
      tensors.emplace_back(prefix + b.key(), b.value());
    }
  }
  return tensors;
}

Array array_of(const at::Tensor& tensor) {
  const auto type = tensor.defined() ? tensor.scalar_type() : at::ScalarType::Undefined;
  for (const auto& [torch_type, array_type] : kTypes) {
    if (type != torch_type) continue;
    const auto stored = std::make_shared<const at::Tensor>(tensor.detach().cpu().contiguous());
    return {array_type, stored->sizes().vec(), {stored, stored->const_data_ptr()}};
  }
  throw std::invalid_argument(
      fmt::format("a tensor of type {}, expected Float, Double or Long", toString(type)));
}

StateDict arrays_of(const NamedTensors& tensors) {
  StateDict state;
  for (const auto& [name, tensor] : tensors) state.emplace_back(name, array_of(tensor));
  return state;
}

at::Tensor tensor_of(const Array& array) {
  for (const auto& [torch_type, array_type] : kTypes) {
    if (array.type() != array_type) continue;
    // from_blob takes no pointer to const; only the clone is given away.
    auto* const data = const_cast<void*>(array.data().get());
    return at::from_blob(data, array.shape(), at::TensorOptions(torch_type)).clone();
  }
  throw std::logic_error("an element type without a tensor");
}

StateDict model_state(LorentzNetImpl& model) { return arrays_of(named_tensors(model)); }

namespace {

/// The tensors of `state`, which are those that `model` needs.
std::map<std::string, at::Tensor> checked_tensors(LorentzNetImpl& model, const StateDict& state,
                                                  const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, array] : state) found.emplace(name, tensor_of(array));
  if (found.contains("embedding.weight")) check_task(model, found.at("embedding.weight"), file);
  const auto expected = named_tensors(model);
  for (const auto& [name, tensor] : expected) {
    if (!found.contains(name))
      throw_file_error(file, "tensor " + name + " of the network is missing");
    check_tensor(name, found.at(name), tensor, file);
  }
  if (found.size() > expected.size()) {
    for (const auto& [name, tensor] : expected) found.erase(name);
    throw_file_error(file, "tensor " + found.begin()->first + " is not one of the network's");
  }
  return found;
}

}  // namespace

void check_model_state(LorentzNetImpl& model, const StateDict& state,
                       const std::filesystem::path& file) {
  static_cast<void>(checked_tensors(model, state, file));
}

void load_model_state(LorentzNetImpl& model, const StateDict& state,
                      const std::filesystem::path& file) {
  const auto found = checked_tensors(model, state, file);
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : named_tensors(model)) tensor.copy_(found.at(name));
}

}  // namespace lorentznet
