#include "golden.h"

#include <ATen/Context.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/tensor.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "data/jet_builder.h"
#include "data/quark_gluon_jets.h"
#include "io/arrays.h"
#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"
#include "named_tensors.h"

namespace lorentznet::test {

Golden::Golden(const std::filesystem::path& file) : reader_(file) {}

at::Tensor Golden::tensor(const std::string& name) const {
  const auto array = read_npz(reader_.path(), name);
  return at::tensor(array.values, at::kDouble).view(array.shape);
}

NamedTensors Golden::state(const std::string& prefix) const {
  NamedTensors state;
  for (const auto& name : reader_.names()) {
    if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), tensor(name));
  }
  for (auto& [name, value] : state) {
    if (name.ends_with("num_batches_tracked")) value = value.to(at::kLong);
  }
  return state;
}

JetSet Golden::jets() const {
  const auto rows = read_npz(reader_.path(), is_top() ? "towers" : "X");
  const auto labels = read_npz(reader_.path(), has("label") ? "label" : "y");
  const auto width = rows.shape.at(1);
  JetBuilder builder(reader_.path().string());
  for (std::int64_t jet = 0; jet < rows.shape.at(0); ++jet) {
    const double* row = &rows.values[static_cast<std::size_t>(4 * width * jet)];
    const double label = labels.values[static_cast<std::size_t>(jet)];
    if (!is_top()) {
      append_quark_gluon_jet(builder, row, width, label);
      continue;
    }
    for (std::int64_t column = 0; column < width; ++column) {
      if (row[4 * column] != 0) builder.add_constituent(column, row + 4 * column);
    }
    builder.end_jet(label);
  }
  return std::move(builder).finish();
}

at::Tensor Golden::node_rows() const { return tensor("mask").flatten().nonzero().squeeze(1); }

Batch golden_batch(const Golden& golden) {
  const auto jets = golden.jets();
  std::vector<std::int64_t> all(static_cast<std::size_t>(jets.num_jets()));
  std::iota(all.begin(), all.end(), 0);
  const PoolingRule rule{.pooling = Pooling::kConstant, .n_nodes = golden.n_nodes()};
  return make_batch(jets, all, golden.task(), rule, /*for_training=*/true);
}

std::vector<Engine> cpu_engines(at::ScalarType type) {
  std::vector<Engine> engines{{}};
  for (const auto isa : instruction_sets_here()) {
    if (type == at::kFloat || isa == Isa::kPortable) {
      engines.push_back({.device = at::kCPU, .fused = isa});
    }
  }
  return engines;
}

std::vector<Engine> gpu_engines() {
  if (!at::hasCUDA()) return {};
  return {{.device = at::Device(at::kCUDA, 0), .fused = std::nullopt}};
}

std::vector<Engine> gpu_inference_engines() {
  auto engines = gpu_engines();
  if (!engines.empty() && why_no_gpu_kernel({}).empty()) {
    engines.push_back({.device = engines.front().device, .fused = {}, .fused_on_gpu = true});
  }
  return engines;
}

LGEBKernels kernels_of(const Engine& engine) {
  return engine.fused ? fused_kernels(*engine.fused) : plain_kernels();
}

LorentzNet initial_model(const Golden& golden, const std::filesystem::path& file) {
  const auto init = golden.state("init/");
  std::int64_t layers = 0, hidden = 0;
  for (const auto& [name, tensor] : init) {
    if (name == "embedding.bias") hidden = tensor.numel();
    if (name.ends_with("phi_m.0.bias")) ++layers;
  }
  LorentzNet model(LorentzNetOptions{.n_scalar = golden.task().n_scalar,
                                     .n_hidden = hidden,
                                     .n_layers = layers,
                                     .c_weight = golden.task().c_weight,
                                     .dropout = 0});
  model->set_type(at::kDouble);
  load_model_state(*model, arrays_of(init), file);
  return model;
}

bool stands_before_batch_norm(const std::string& name) { return name.ends_with("phi_h.0.bias"); }

void check_float_step(LorentzNet& model, const Golden& golden) {
  const auto device = model->parameters().front().device();
  const auto batch = golden_batch(golden).to(device);
  model->train();
  const auto logits = model->forward(batch);
  CHECK(max_difference(logits, golden.tensor("logits_step0")) <= 1e-3);
  const auto loss = at::cross_entropy_loss(logits, batch.label);
  CHECK(max_difference(loss, golden.tensor("losses")[0]) <= 1e-4);
  loss.backward();
  const auto parameters = model->named_parameters();
  for (const auto& [name, gradient] : golden.state("grad/")) {
    if (stands_before_batch_norm(name)) continue;
    CAPTURE(name);
    CHECK(relative_rms(parameters[name].grad(), gradient) <= 5e-3);
  }
}

std::string use_engine(LorentzNet& network, const Engine& engine) {
  network->to(engine.device);
  if (engine.fused) {
    network->use_fused_kernel(*engine.fused);
  } else if (engine.fused_on_gpu) {
    network->use_gpu_kernel();
  } else {
    network->use_plain_kernel();
  }
  return network->kernel_name() + " on " + engine.device.str();
}

double max_difference(const at::Tensor& a, const at::Tensor& b) {
  const auto in_double = [](const at::Tensor& t) { return t.to(at::kCPU).to(at::kDouble); };
  const auto difference = (in_double(a) - in_double(b)).abs();
  const auto worst = difference.numel() == 0 ? 0.0 : difference.max().item<double>();
  return std::isfinite(worst) ? worst : std::numeric_limits<double>::quiet_NaN();
}

double relative_rms(const at::Tensor& found, const at::Tensor& expected) {
  const auto difference = found.to(at::kCPU).to(at::kDouble) - expected;
  return (difference.norm() / expected.norm()).item<double>();
}

bool agree(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  if (a.sizes() != b.sizes()) return false;
  return max_difference(a, b) <= tolerance * b.abs().max().item<double>();
}

}  // namespace lorentznet::test
