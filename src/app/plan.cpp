#include "app/plan.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <fmt/format.h>

#include <algorithm>

#include "data/nodes.h"
#include "io/message.h"
#include "kernels/fused_kernel.h"
#include "lorentznet/error.h"
#include "model/model_state.h"

namespace lorentznet {
namespace {

/// The task for a network that takes `n_scalar` scalars of a node.
Task task_for_network(const Task& task, const Arguments& arguments, std::int64_t n_scalar,
                      const std::filesystem::path& args_file) {
  if (task.for_scalars != nullptr) {
    const auto own = n_scalar - (arguments.no_beams ? 0 : 1);
    if (own >= 1) return task.for_scalars(own, !arguments.no_beams);
  }
  if (n_scalar == task.n_scalar) return task;
  throw InputError(fmt::format("{}: the network takes {} scalars of a node, {}_tagging has {}{}",
                               args_file.string(), n_scalar, task.name, task.n_scalar,
                               task.for_scalars != nullptr ? " (1 with --no_beams)" : ""));
}

Task task_for(const Task& task, const Experiment& experiment, const JetSet& jets) {
  const auto& arguments = experiment.arguments;
  if (arguments.test_mode) {
    return task_for_network(task, arguments, experiment.n_scalar, experiment.folder.args());
  }
  if (task.for_scalars == nullptr) return task;
  return task.for_scalars(jets.num_scalars(), !arguments.no_beams);
}

/// Whether a network for `task` can take these jets. \throws InputError naming a file
void check_jets(const Task& task, const JetSet& jets, std::int64_t n_class) {
  if (task.for_scalars != nullptr) {
    const bool beams = !task.beam_scalars.empty();
    const auto own = std::max<std::int64_t>(jets.num_scalars(), 1);
    const auto taken = task.n_scalar - (beams ? 1 : 0);
    if (own != taken) {
      throw InputError(fmt::format(
          "{}: {} scalars a particle{}, but the network takes {} ({} beams)", jets.describe_files(),
          own, jets.num_scalars() == 0 ? " (its mass)" : "", taken, beams ? "with" : "without"));
    }
  }
  if (jets.num_classes() > n_class) {
    const auto highest = std::max_element(jets.label.begin(), jets.label.end());
    throw InputError(
        fmt::format("{} (counted from 0): class {}, but the network has classes 0 to {}",
                    jets.describe(highest - jets.label.begin()), int{*highest}, n_class - 1));
  }
}

LorentzNetOptions network_options(const Arguments& arguments, const Task& task,
                                  std::int64_t n_class) {
  return {.n_scalar = task.n_scalar,
          .n_hidden = arguments.n_hidden,
          .n_class = n_class,
          .n_layers = arguments.n_layers,
          .c_weight = arguments.c_weight,
          .dropout = arguments.dropout,
          .coordinates = arguments.coordinates};
}

/// Number of nodes of the widest jet.
std::int64_t widest_jet(const Task& task, const DataSplits& data) {
  std::int64_t widest = 0;
  for (const auto* set : {&data.train, &data.val, &data.test}) {
    for (std::int64_t jet = 0; jet < set->num_jets(); ++jet) {
      widest = std::max(widest, num_nodes(*set, jet, task));
    }
  }
  return widest;
}

/// The constant n_nodes of Pooling::kConstant, and its origin.
std::pair<std::int64_t, std::string> constant_nodes(const Arguments& arguments, const Task& task,
                                                    const DataSplits& data) {
  const auto n_nodes = arguments.n_nodes;
  if (arguments.test_mode) {
    if (arguments.given.contains("n_nodes")) return {n_nodes, "by --n_nodes"};
    if (n_nodes > 0) return {n_nodes, "of the experiment's args.json"};
    if (task.published_n_nodes == 0) throw InputError("--pooling constant needs --n_nodes");
    return {task.published_n_nodes, "the published checkpoint's"};
  }
  if (n_nodes == 0) return {widest_jet(task, data), "the widest jet of the data"};
  for (std::int64_t jet = 0; jet < data.train.num_jets(); ++jet) {
    check_fits(data.train, jet, task, n_nodes);
  }
  if (!arguments.init_from.empty() && !arguments.given.contains("n_nodes")) {
    return {n_nodes, "of the network in --init_from"};
  }
  return {n_nodes, "by --n_nodes or args.json"};
}

/// The rule, and the line that announces it.
std::pair<PoolingRule, std::string> choose_pooling(const Arguments& arguments, const Task& task,
                                                   const DataSplits& data) {
  const auto by_default = task.pools_over_batch ? Pooling::kBatch : Pooling::kConstant;
  const auto pooling =
      arguments.n_nodes > 0 ? Pooling::kConstant : arguments.pooling.value_or(by_default);
  if (pooling == Pooling::kBatch) {
    return {{pooling}, "n_nodes: of the batch (scores depend on --batch_size)"};
  }
  if (pooling == Pooling::kJet) return {{pooling}, "n_nodes: of the jet"};
  const auto [n_nodes, why] = constant_nodes(arguments, task, data);
  return {{pooling, n_nodes}, fmt::format("n_nodes: {} ({})", n_nodes, why)};
}

/// What keeps a run from the fused kernel; empty: nothing.
std::string why_plain_on(const at::Device& device, const Arguments& arguments) {
  if (!device.is_cuda()) {
    return why_not_fused(device, arguments.coordinates == Coordinates::kDouble, arguments.n_hidden);
  }
  return why_no_gpu_kernel({.n_hidden = arguments.n_hidden, .coordinates = arguments.coordinates});
}

}  // namespace

at::Device choose_device(const std::string& name, std::int64_t local_rank) {
  if (name.empty()) return at::hasCUDA() ? choose_device("cuda", local_rank) : at::Device(at::kCPU);
  if (name == "cpu") return at::Device(at::kCPU);
  if (name != "cuda" && !name.starts_with("cuda:")) {
    throw InputError("--device: " + in_quotes(name) + " is not cpu, cuda or cuda:K");
  }
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    throw InputError("--device " + name +
                     ": this build is for CPUs, not for GPUs (see LORENTZNET_CUDA)");
  }
  if (!at::hasCUDA()) throw InputError("--device " + name + ": there is no GPU that can be used");
  const auto gpus = at::detail::getCUDAHooks().deviceCount();
  // A launcher may show each process only its own GPU.
  const auto own = gpus == 1 ? "0" : std::to_string(local_rank);
  const auto index = name == "cuda" ? own : name.substr(5);
  for (int gpu = 0; gpu < gpus; ++gpu) {
    if (index == std::to_string(gpu)) return {at::kCUDA, static_cast<at::DeviceIndex>(gpu)};
  }
  throw InputError(
      fmt::format("--device {}: there is no GPU {}, but {} in all", name, index, gpus));
}

ChosenKernel choose_kernel(const Arguments& arguments, const at::Device& device) {
  if (arguments.kernel == KernelChoice::kPlain) return {};
  const bool half = arguments.kernel == KernelChoice::kHalf;
  if (half && !device.is_cuda()) {
    throw InputError("--kernel half: only a GPU has it, the device is cpu");
  }
  const auto why_plain = why_plain_on(device, arguments);
  if (!why_plain.empty()) {
    if (arguments.kernel == KernelChoice::kAuto) return {.why_plain = why_plain};
    throw InputError(fmt::format("--kernel {}: the fused kernel can't be used: {}",
                                 half ? "half" : "fused", why_plain));
  }
  if (device.is_cuda()) return {.gpu = half ? GpuPrecision::kHalf : GpuPrecision::kFloat};
  return {.fused = choose_isa()};
}

Plan make_plan(const Task& task, const Experiment& experiment, const DataSplits& data) {
  const auto& arguments = experiment.arguments;
  const auto fitted = task_for(task, experiment, data.train);
  const auto n_class = arguments.test_mode ? experiment.n_class
                                           : std::max<std::int64_t>(data.train.num_classes(), 2);
  for (const auto* jets : {&data.train, &data.val, &data.test}) {
    if (jets->num_jets() > 0) check_jets(fitted, *jets, n_class);
  }
  const auto [rule, line] = choose_pooling(arguments, fitted, data);
  return {.task = fitted,
          .network = network_options(arguments, fitted, n_class),
          .rule = rule,
          .pooling_line = line};
}

void check_checkpoint(const Task& task, const Experiment& experiment) {
  const auto fitted = task_for(task, experiment, {});
  LorentzNet network(network_options(experiment.arguments, fitted, experiment.n_class));
  check_model_state(*network, experiment.network, experiment.folder.best_model());
}

std::string use_kernel(LorentzNetImpl& network, const ChosenKernel& kernel) {
  if (kernel.fused) {
    network.use_fused_kernel(*kernel.fused);
  } else if (kernel.gpu) {
    network.use_gpu_kernel(*kernel.gpu);
  } else {
    network.use_plain_kernel();
  }
  const auto& remark = kernel.why_plain.empty() ? kernel.agreement : kernel.why_plain;
  return "Kernel: " + network.kernel_name() + (remark.empty() ? "" : " (" + remark + ")");
}

}  // namespace lorentznet
