#include "lorentznet/checkpoint.h"

#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/utils.h>

#include <map>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

std::string shape_of(const at::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& reason) {
  throw InputError(file.string() + ": " + reason);
}

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
  fail(file,
       fmt::format("a checkpoint of another task: it takes {} input scalars{}, this program {}{}",
                   found, task(found), expected, task(expected)));
}

void check_tensor(const std::string& name, const at::Tensor& found, const at::Tensor& expected,
                  const std::filesystem::path& file) {
  if (found.sizes() != expected.sizes()) {
    fail(file, fmt::format("tensor {} has shape {}, the network's has {}", name, shape_of(found),
                           shape_of(expected)));
  }
  if (found.is_floating_point() != expected.is_floating_point()) {
    fail(file, fmt::format("tensor {} is of type {}, the network's of type {}", name,
                           toString(found.scalar_type()), toString(expected.scalar_type())));
  }
  if (!at::isfinite(found).all().item<bool>()) {
    fail(file, fmt::format("tensor {} holds a value that is not finite", name));
  }
}

}  // namespace

StateDict model_state(LorentzNetImpl& model) {
  StateDict state;
  for (const auto& module : model.named_modules()) {
    const auto prefix = module.key().empty() ? "" : module.key() + ".";
    for (const auto& p : module.value()->named_parameters(/*recurse=*/false)) {
      state.emplace_back(prefix + p.key(), p.value().detach());
    }
    for (const auto& b : module.value()->named_buffers(/*recurse=*/false)) {
      state.emplace_back(prefix + b.key(), b.value().detach());
    }
  }
  return state;
}

void load_model_state(LorentzNetImpl& model, const StateDict& state,
                      const std::filesystem::path& file) {
  std::map<std::string, at::Tensor> found(state.begin(), state.end());
  if (found.contains("embedding.weight")) check_task(model, found.at("embedding.weight"), file);
  auto expected = model_state(model);
  for (const auto& [name, tensor] : expected) {
    if (!found.contains(name)) fail(file, "tensor " + name + " of the network is missing");
    check_tensor(name, found.at(name), tensor, file);
  }
  if (found.size() > expected.size()) {
    for (const auto& [name, tensor] : expected) found.erase(name);
    fail(file, "tensor " + found.begin()->first + " is not one of the network's");
  }
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : expected) tensor.copy_(found.at(name));
}

}  // namespace lorentznet
