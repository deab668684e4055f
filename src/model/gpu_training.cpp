#include "model/gpu_training.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/DeviceGuard.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/nn/modules/batchnorm.h>

#include <array>
#include <map>
#include <string>
#include <utility>

#include "kernels/transfer.h"
#include "model/check_batch.h"

namespace lorentznet {
namespace {

using Tensors = std::vector<at::Tensor>;

/// A layer's parameters under the published names, in an order in which the gradients of a
/// NetworkArrays may stand one behind the other.
template <typename Number>
constexpr auto layer_members() {
  using Layer = cuda::LayerArrays<Number>;
  return std::to_array<std::pair<const char*, Number * Layer::*>>({
      {"phi_e.0.weight", &Layer::edge_in},
      {"phi_e.1.weight", &Layer::edge_norm},
      {"phi_e.1.bias", &Layer::edge_norm_bias},
      {"phi_e.3.weight", &Layer::edge_out},
      {"phi_e.3.bias", &Layer::edge_out_bias},
      {"phi_m.0.weight", &Layer::gate},
      {"phi_m.0.bias", &Layer::gate_bias},
      {"phi_h.0.weight", &Layer::node_in},
      {"phi_h.0.bias", &Layer::node_in_bias},
      {"phi_h.1.bias", &Layer::node_norm_bias},
      {"phi_h.1.weight", &Layer::node_norm},
      {"phi_h.3.bias", &Layer::node_out_bias},
      {"phi_h.3.weight", &Layer::node_out},
      {"phi_x.0.weight", &Layer::move_in},
      {"phi_x.0.bias", &Layer::move_in_bias},
      {"phi_x.2.weight", &Layer::move_out},
  });
}
constexpr std::array kOutsideOfLayers = {"embedding.weight",   "embedding.bias",
                                         "graph_dec.0.weight", "graph_dec.3.weight",
                                         "graph_dec.3.bias",   "graph_dec.0.bias"};
constexpr std::size_t kMoving = 3;  ///< the last ones, which a last layer lacks

/// Tensors in the order of parameters_, as arrays.
template <typename Number, typename Data>
cuda::NetworkArrays<Number> arrays_of(const Tensors& tensors, const Data& data) {
  constexpr auto kMembers = layer_members<Number>();
  cuda::NetworkArrays<Number> arrays{.embedding = data(tensors[0]),
                                     .embedding_bias = data(tensors[1]),
                                     .decode_in = data(tensors[2]),
                                     .decode_out = data(tensors[3]),
                                     .decode_out_bias = data(tensors[4]),
                                     .decode_in_bias = data(tensors[5]),
                                     .layers = {}};
  for (std::size_t next = kOutsideOfLayers.size(); next < tensors.size();) {
    cuda::LayerArrays<Number> layer{};
    for (const auto& [name, member] : kMembers) {
      if (next == tensors.size()) break;  // the last layer
      layer.*member = data(tensors[next++]);
    }
    arrays.layers.push_back(layer);
  }
  return arrays;
}

/// LibTorch's memory, the ranks' communicator.
class TorchSurroundings final : public cuda::Surroundings {
 public:
  TorchSurroundings(const at::Device& device, std::shared_ptr<const Communicator> ranks)
      : device_(device), ranks_(std::move(ranks)) {}

  void* allocate(std::size_t bytes) override {
    const auto count = static_cast<std::int64_t>(bytes);
    memory_.push_back(at::empty({count}, at::TensorOptions(at::kByte).device(device_)));
    return memory_.back().mutable_data_ptr();
  }
  void* send(const void* from, std::size_t bytes) override {
    const auto count = static_cast<std::int64_t>(bytes);
    memory_.push_back(lorentznet::send(at::from_blob(const_cast<void*>(from), {count}, at::kByte),
                                       device_));  // NOLINT
    return memory_.back().mutable_data_ptr();
  }
  int ranks() const override { return static_cast<int>(ranks_->size()); }
  void sum_over_ranks(double* numbers, int count) override {
    ranks_->sum(at::for_blob(numbers, {count})
                    .options(at::TensorOptions(at::kDouble).device(device_))
                    .target_device(device_)
                    .make_tensor());
  }

 private:
  at::Device device_;
  std::shared_ptr<const Communicator> ranks_;
  Tensors memory_;
};

/// What a pass takes of a batch, as the kernels read it.
enum Input : std::size_t { kMomenta, kScalars, kNumNodes, kKept };
Tensors inputs_of(const Batch& batch, const at::Tensor& kept) {
  return {batch.p4.to(at::kDouble).contiguous(), batch.scalars.to(at::kDouble).contiguous(),
          batch.n_nodes.to(at::kDouble).contiguous(), kept};
}

/// Tensors that a pass reads, and the pass.
struct BegunPass {
  Tensors inputs, parameters;
  TorchSurroundings surroundings;
  std::unique_ptr<cuda::TrainingPass> pass;

  Tensors backward(const at::Tensor& logits) {
    std::int64_t count = 0;
    for (const auto& parameter : parameters) count += parameter.numel();
    const auto memory = at::empty({count}, logits.options());
    Tensors gradients;
    std::int64_t first = 0;
    for (const auto& parameter : parameters) {
      gradients.push_back(memory.narrow(0, first, parameter.numel()).view(parameter.sizes()));
      first += parameter.numel();
    }
    pass->backward(logits.const_data_ptr<float>(),
                   arrays_of<float>(gradients,
                                    [](const auto& tensor) {
                                      return tensor.template mutable_data_ptr<float>();
                                    }),
                   surroundings);
    return gradients;
  }
};

class GpuTrainingBackward final : public torch::autograd::Node {
 public:
  explicit GpuTrainingBackward(std::unique_ptr<BegunPass> pass) : pass_(std::move(pass)) {}

  Tensors apply(Tensors&& gradients) override {
    TORCH_CHECK(pass_ != nullptr, "a second backward pass through the CUDA kernels");
    const torch::NoGradGuard no_grad;
    const c10::DeviceGuard guard(gradients[0].device());
    auto result = pass_->backward(gradients[0].contiguous());
    pass_.reset();  // its memory is freed as soon as it has been used, like all that autograd keeps
    return result;
  }
  std::string name() const override { return "GpuTrainingBackward"; }

 private:
  std::unique_ptr<BegunPass> pass_;
};

}  // namespace

GpuTraining::GpuTraining(const NamedTensors& of_network, const LorentzNetOptions& options,
                         GpuPrecision precision)
    : options_(options), precision_(precision) {
  const std::map<std::string, at::Tensor> tensors(of_network.begin(), of_network.end());
  for (const auto* name : kOutsideOfLayers) parameters_.push_back(tensors.at(name));
  for (std::int64_t layer = 0; layer < options_.n_layers; ++layer) {
    const auto prefix = "LGEBs." + std::to_string(layer) + ".";
    for (const auto& [name, member] : layer_members<const float>()) {
      const auto found = tensors.find(prefix + name);
      if (found != tensors.end()) parameters_.push_back(found->second);
    }
    for (const auto* norm : {"phi_e.1.", "phi_h.1."}) {
      for (const auto* name : {"running_mean", "running_var", "num_batches_tracked"}) {
        running_.push_back(tensors.at(prefix + norm + name));
      }
    }
  }
}

std::vector<cuda::RunningOfLayer> GpuTraining::running_statistics() const {
  const auto of_norm = [&](std::size_t first) -> cuda::RunningStatistics {
    return {.mean = running_[first].mutable_data_ptr<float>(),
            .variance = running_[first + 1].mutable_data_ptr<float>(),
            .batches = running_[first + 2].mutable_data_ptr<std::int64_t>()};
  };
  std::vector<cuda::RunningOfLayer> running;
  for (std::size_t k = 0; k < running_.size(); k += 6) {
    running.push_back({.edges = of_norm(k), .nodes = of_norm(k + 3)});
  }
  // TensorVersions is to see that they change.
  for (const auto& tensor : running_) tensor.unsafeGetTensorImpl()->bump_version();
  return running;
}

cuda::NetworkShape GpuTraining::shape() const {
  const torch::nn::BatchNorm1dOptions norm(options_.n_hidden);
  return {.hidden = static_cast<int>(options_.n_hidden),
          .scalars = static_cast<int>(options_.n_scalar),
          .layers = static_cast<int>(options_.n_layers),
          .classes = static_cast<int>(options_.n_class),
          .c_weight = options_.c_weight,
          .epsilon = norm.eps(),
          .momentum = norm.momentum().value()};
}

/// [J, H] 1, and 0 for what dropout leaves out of the decoder; undefined: there is no dropout.
at::Tensor GpuTraining::drawn_by_dropout(std::int64_t jets) const {
  if (options_.dropout == 0) return {};
  const torch::NoGradGuard no_grad;
  return at::empty({jets, options_.n_hidden}, parameters_.front().options())
      .bernoulli_(1 - options_.dropout);
}

at::Tensor GpuTraining::logits(const Batch& batch,
                               const std::shared_ptr<const Communicator>& ranks) const {
  const auto device = parameters_.front().device();
  check_batch(batch, options_.n_scalar, device);
  const c10::DeviceGuard guard(device);
  const auto kept = drawn_by_dropout(batch.num_jets());
  auto begun = std::make_unique<BegunPass>(BegunPass{.inputs = inputs_of(batch, kept),
                                                     .parameters = {},
                                                     .surroundings = {device, ranks},
                                                     .pass = nullptr});
  for (const auto& parameter : parameters_) begun->parameters.push_back(parameter.detach());
  const auto result =
      at::empty({batch.num_jets(), options_.n_class}, begun->parameters.front().options());
  const std::vector<int> offsets(batch.offsets.begin(), batch.offsets.end());
  begun->pass = cuda::begin_training_pass(
      shape(),
      precision_ == GpuPrecision::kHalf ? cuda::TrainingPrecision::kHalf
                                        : cuda::TrainingPrecision::kFloat,
      arrays_of<const float>(
          begun->parameters,
          [](const auto& tensor) { return tensor.template const_data_ptr<float>(); }),
      running_statistics(),
      {.host_offsets = offsets,
       .ghost_weight = static_cast<double>(batch.padded_rows),
       .momenta = begun->inputs[kMomenta].const_data_ptr<double>(),
       .scalars = begun->inputs[kScalars].const_data_ptr<double>(),
       .n_nodes = begun->inputs[kNumNodes].const_data_ptr<double>(),
       .kept = kept.defined() ? kept.const_data_ptr<float>() : nullptr,
       // With a probability of 1 nothing is kept.
       .kept_scale = options_.dropout < 1 ? 1 / (1 - options_.dropout) : 0},
      begun->surroundings, result.mutable_data_ptr<float>());
  if (torch::autograd::compute_requires_grad(parameters_)) {
    const auto node = std::make_shared<GpuTrainingBackward>(std::move(begun));
    node->set_next_edges(torch::autograd::collect_next_edges(parameters_));
    torch::autograd::set_history(result, node);
  }
  return result;
}

bool is_of_gpu_training(const at::Tensor& logits) {
  return dynamic_cast<const GpuTrainingBackward*>(logits.grad_fn().get()) != nullptr;
}

GpuScores score_on_gpu(const at::Tensor& logits, const Batch& batch) {
  const c10::DeviceGuard guard(logits.device());
  const bool weighted = batch.weight.defined();
  const auto numbers = logits.detach().contiguous();
  const GpuScores scores{
      .loss = at::empty({}, numbers.options()),
      .spoiled = at::empty({}, numbers.options()),
      .figures = at::empty({weighted ? 3 : 2}, numbers.options().dtype(at::kDouble)),
      .gradient = at::empty(numbers.sizes(), numbers.options())};
  const auto weight = weighted ? batch.weight.contiguous() : at::Tensor();
  const auto label = batch.label.contiguous();
  cuda::score_jets({.jets = static_cast<int>(numbers.size(0)),
                    .classes = static_cast<int>(numbers.size(1)),
                    .logits = numbers.const_data_ptr<float>(),
                    .label = label.const_data_ptr<std::int64_t>(),
                    .weight = weighted ? weight.const_data_ptr<double>() : nullptr,
                    .figures = scores.figures.mutable_data_ptr<double>(),
                    .loss = scores.loss.mutable_data_ptr<float>(),
                    .spoiled = scores.spoiled.mutable_data_ptr<float>(),
                    .gradient = scores.gradient.mutable_data_ptr<float>()});
  return scores;
}

}  // namespace lorentznet
