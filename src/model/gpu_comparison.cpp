#include "model/gpu_comparison.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "lorentznet/batch.h"
#include "model/gpu_training.h"
#include "model/inference.h"

namespace lorentznet {
namespace {

/// In units of what is expected. A result that is missing differs by 1. On the emulator rounding
/// made at most 2e-6 of logits and 2e-5 of running statistics in float, 7e-4 and 4e-3 in half, for
/// new networks of 3 and 6 layers, H = 16 and 72, and 5e-7 and 1e-4 of the shipped networks'
/// logits. Of gradients it made less than the limits in 77 of 78 batches in float, in 73 of 78 in
/// half, with coordinates that move a tenth as far, and in 15 of 15 and 5 of 6 as they move here.
struct Limits {
  double logits, gradients, statistics;
};
constexpr Limits kInFloat{.logits = 3e-5, .gradients = .15, .statistics = 1e-3};
constexpr Limits kInHalf{.logits = 1e-2, .gradients = .8, .statistics = 5e-2};

/// Rounding may push the argument of a ReLU across zero, which changes gradients by percents, and
/// those that nearly cancel by more. It hardly does so in each of several batches, and a kernel
/// that is wrong is wrong in all of them. Others are computed only after one that differs.
constexpr int kBatches = 5;

/// A number in [0, 1), for each k another one.
double made_up(std::int64_t k, double step) {
  const auto product = static_cast<double>(k) * step;
  return product - std::floor(product);
}

/// Nodes of jets: a large one has several tiles, and there are more than the 32 jets whose blocks
/// add up what they have in one group.
std::vector<std::int64_t> made_up_offsets() {
  std::vector<std::int64_t> offsets{0};
  for (const std::int64_t nodes : {50, 33, 17, 9}) offsets.push_back(offsets.back() + nodes);
  for (std::int64_t jet = 0; jet < 36; ++jet) offsets.push_back(offsets.back() + 1 + jet % 4);
  return offsets;
}

/// Massless particles of 1 to 101 GeV around the axis of their jet. \param first  number of a node
void write_made_up_jet(std::int64_t first, std::int64_t nodes, double* p4) {
  const auto eta_of_jet = 3 * made_up(first, .7548776662) - 1.5;
  const auto phi_of_jet = 6 * made_up(first, .5698402910);
  for (std::int64_t k = 0; k < nodes; ++k) {
    const auto pt = 1 + 100 * std::pow(made_up(first + k, .6180339887), 3);
    const auto eta = eta_of_jet + .6 * made_up(first + k, .4142135624) - .3;
    const auto phi = phi_of_jet + .6 * made_up(first + k, .7320508076) - .3;
    auto* const p = p4 + 4 * k;
    p[0] = pt * std::cosh(eta);
    p[1] = pt * std::cos(phi);
    p[2] = pt * std::sin(phi);
    p[3] = pt * std::sinh(eta);
  }
}

/// Labels follow from the jets' sizes, so that the gradients of jets do not cancel.
Batch made_up_batch(const LorentzNetOptions& network, int which) {
  Batch batch;
  batch.offsets = made_up_offsets();
  const auto nodes = batch.offsets.back(), jets = batch.num_jets();
  batch.p4 = at::empty({nodes, 4}, at::kDouble);
  batch.scalars = at::empty({nodes, network.n_scalar}, at::kDouble);
  batch.label = at::empty({jets}, at::kLong);
  const auto before = 1 + which * nodes;  // nodes of other batches
  for (std::int64_t jet = 0; jet < jets; ++jet) {
    const auto first = batch.offsets[jet], size = batch.offsets[jet + 1] - first;
    write_made_up_jet(before + first, size, batch.p4.mutable_data_ptr<double>() + 4 * first);
    batch.label.mutable_data_ptr<std::int64_t>()[jet] = std::min(size, network.n_class) - 1;
  }
  auto* const scalars = batch.scalars.mutable_data_ptr<double>();
  for (std::int64_t k = 0; k < batch.scalars.numel(); ++k) {
    scalars[k] = made_up(before * network.n_scalar + k, .3247179572);
  }
  batch.n_nodes = at::full({jets, 1}, 50, at::kDouble);
  batch.padded_rows = 8;
  return batch;
}

/// A network of random weights. LibTorch's generator, which draws them, is afterwards as before.
LorentzNet network_without_draws(const LorentzNetOptions& options) {
  auto generator = at::globalContext().defaultGenerator(at::kCPU);
  const auto state = generator.get_state();
  LorentzNet network(options);
  generator.set_state(state);
  return network;
}

/// The size of coordinate updates in a training's comparison. A new network moves coordinates so
/// little that no logit would show a wrong one.
constexpr double kCoordinateWeight = 1;
/// Gives the last weights of phi_x the size that Xavier's initialisation would give them.
void move_coordinates(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with("phi_x.2.weight")) continue;
    const auto size = tensor.square().mean().sqrt().item<double>();
    const auto wanted = std::sqrt(2. / static_cast<double>(1 + tensor.numel()));
    if (size > 0) tensor.mul_(wanted / size);
  }
}

NamedTensors copies_of(LorentzNetImpl& network, bool coordinates_move) {
  const torch::NoGradGuard no_grad;
  NamedTensors copies;
  for (const auto& [name, tensor] : named_tensors(network)) {
    copies.emplace_back(name, tensor.clone().requires_grad_(tensor.requires_grad()));
  }
  if (coordinates_move) move_coordinates(copies);
  return copies;
}

/// What is compared.
struct Results {
  at::Tensor logits;
  NamedTensors gradients = {}, statistics = {};
};

void keep_step(const NamedTensors& tensors, Results& results) {
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.requires_grad()) {
      results.statistics.emplace_back(name, tensor);
    } else if (!name.ends_with("phi_h.0.bias")) {  // zero, because a batch norm follows
      results.gradients.emplace_back(name, tensor.grad());
    }
  }
}

/// By the plain kernel, on the CPU in double.
Results expected_results(const NamedTensors& tensors, const LorentzNetOptions& options,
                         const Batch& batch, bool trains) {
  auto network = network_without_draws(options);
  network->set_type(at::kDouble);
  const auto own = named_tensors(*network);
  Results results;
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t k = 0; k < own.size(); ++k) own[k].second.copy_(tensors[k].second);
    network->eval();
    results.logits = network->forward(batch);
  }
  if (!trains) return results;
  network->train();
  at::cross_entropy_loss(network->forward(batch), batch.label).backward();
  keep_step(own, results);
  return results;
}

/// By the CUDA kernels. A training step changes the tensors' gradients and the running statistics.
Results found_results(const NamedTensors& tensors, const LorentzNetOptions& options,
                      const Batch& batch, GpuPrecision precision, bool trains) {
  Results results{.logits = GpuInference(tensors, options, precision).logits(batch)};
  if (!trains) return results;
  const auto logits = GpuTraining(tensors, options, precision).logits(batch, single_process());
  logits.backward(score_on_gpu(logits, batch).gradient);
  keep_step(tensors, results);
  return results;
}

/// Root of the mean square.
double size_of(const at::Tensor& tensor) {
  return tensor.to(at::kDouble).square().mean().sqrt().item<double>();
}

/// In units of what is expected, or of `least` if that is larger.
double difference_of(const at::Tensor& found, const at::Tensor& expected, double least = 0) {
  const auto size = size_of(found.to(at::kCPU, at::kDouble) - expected);
  return size == 0 ? 0 : size / std::max(size_of(expected), least);
}

/// Of the tensor that differs most, in units of what is expected, or of `share` of the largest
/// tensor in its module, which is for those that nearly cancel.
double largest_difference(const NamedTensors& found, const NamedTensors& expected, double share) {
  const auto module_of = [](const std::string& name) { return name.substr(0, name.rfind('.')); };
  std::map<std::string, double> sizes;
  for (const auto& [name, tensor] : expected) {
    auto& size = sizes[module_of(name)];
    size = std::max(size, size_of(tensor));
  }
  std::vector<double> differences;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const auto& [name, tensor] = found[k];
    differences.push_back(
        difference_of(tensor, expected[k].second, share * sizes.at(module_of(name))));
  }
  return at::tensor(differences, at::kDouble).max().item<double>();  // NaN stays
}

std::vector<GpuDifference> compare_batch(LorentzNetImpl& network, GpuPrecision precision,
                                         bool trains, int which) {
  auto options = network.options();
  options.dropout = 0;
  if (trains) options.c_weight = kCoordinateWeight;
  const auto tensors = copies_of(network, trains);
  const auto batch = made_up_batch(options, which);
  const auto expected = expected_results(tensors, options, batch, trains);
  const auto on_gpu = batch.to(tensors.front().second.device());
  const auto found = found_results(tensors, options, on_gpu, precision, trains);
  const auto& limits = precision == GpuPrecision::kHalf ? kInHalf : kInFloat;
  std::vector<GpuDifference> differences{
      {"logits", difference_of(found.logits, expected.logits), limits.logits}};
  if (!trains) return differences;
  differences.push_back(
      {"gradients", largest_difference(found.gradients, expected.gradients, .5), limits.gradients});
  differences.push_back({"running statistics",
                         largest_difference(found.statistics, expected.statistics, 0),
                         limits.statistics});
  return differences;
}

/// Whether a ReLU whose argument is nearly zero can be the cause.
bool may_be_kink(const GpuDifference& difference) {
  return difference.of == "gradients" && std::isfinite(difference.found);
}

}  // namespace

std::vector<GpuDifference> compare_gpu_kernels(LorentzNetImpl& network, GpuPrecision precision,
                                               bool trains) {
  const torch::AutoGradMode with_gradients(true);
  std::vector<GpuDifference> differences;
  for (int which = 0; which < kBatches; ++which) {
    differences = compare_batch(network, precision, trains, which);
    const bool again = std::ranges::any_of(differences, [](const auto& difference) {
      return !difference.is_rounding() && may_be_kink(difference);
    });
    if (!again) break;
  }
  return differences;
}

}  // namespace lorentznet
