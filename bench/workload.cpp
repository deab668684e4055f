#include "bench/workload.h"

#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>

#include "app/flags.h"
#include "app/plan.h"
#include "lorentznet/error.h"
#include "lorentznet/trainer.h"
#include "train/loader.h"
#include "train/pass.h"

namespace lorentznet::bench {
namespace {

constexpr std::uint64_t kSeed = 99;

/// `options` with the width and depth of the network in `state`.
LorentzNetOptions shape_of(const StateDict& state, LorentzNetOptions options,
                           const std::filesystem::path& file) {
  options.n_layers = options.n_hidden = 0;
  for (const auto& [name, array] : state) {
    if (name == "embedding.bias") options.n_hidden = array.element_count();
    if (name.starts_with("LGEBs.") && name.ends_with(".phi_e.0.weight")) ++options.n_layers;
  }
  if (options.n_layers > 0 && options.n_hidden > 0) return options;
  throw InputError(file.string() + ": not a checkpoint of a LorentzNet");
}

/// The jets of `set` by increasing size.
std::vector<std::int64_t> order_by_size(const JetSet& set) {
  auto order = file_order(set.num_jets());
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return set.multiplicity(a) < set.multiplicity(b);
  });
  return order;
}

}  // namespace

std::string name(Mode mode) { return mode == Mode::kTraining ? "training" : "inference"; }

std::string label(const Kernel& kernel) {
  if (!kernel.fused) return "plain";
  return "fused " + std::string(name(kernel.isa));
}

Json to_json(const Kernel& kernel) {
  return {{"kernel", kernel.fused ? "fused" : "plain"}, {"isa", name(kernel.isa)}};
}

Workload load_workload(const Task& task, const std::filesystem::path& datadir,
                       const std::filesystem::path& checkpoint, std::int64_t n_hidden,
                       std::int64_t n_layers) {
  const auto begin = std::chrono::steady_clock::now();
  auto splits = task.read_splits({.datadir = datadir / task.name});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const auto jets = splits.train.num_jets() + splits.val.num_jets() + splits.test.num_jets();
  const auto plan =
      make_plan(task, {.arguments = default_arguments(task), .folder = RunFolder("")}, splits);
  Workload workload{.task = task,
                    .train = std::move(splits.train),
                    .val = std::move(splits.val),
                    .rule = plan.rule,
                    .options = plan.network,
                    .state = {},
                    .reading_jets_per_s = static_cast<double>(jets) / seconds.count()};
  workload.options.n_hidden = n_hidden;
  workload.options.n_layers = n_layers;
  if (!checkpoint.empty()) {
    workload.state = read_state_dict(checkpoint);
    workload.options = shape_of(workload.state, workload.options, checkpoint);
    LorentzNet network(workload.options);
    load_model_state(*network, workload.state, checkpoint);  // reports here what does not fit
  }
  return workload;
}

LorentzNet make_network(const Workload& workload, const Kernel& kernel) {
  torch::manual_seed(kSeed);
  LorentzNet network(workload.options);
  if (!workload.state.empty()) load_model_state(*network, workload.state, "checkpoint");
  if (kernel.fused) {
    network->use_fused_kernel(kernel.isa);
  } else {
    network->use_plain_kernel();
  }
  return network;
}

std::vector<Batch> alike_batches(const Workload& workload, std::int64_t batch_size,
                                 std::int64_t count, Mode mode) {
  const auto order = order_by_size(workload.train);
  const auto total = static_cast<double>(order.size());
  std::mt19937_64 engine(kSeed);
  std::vector<Batch> batches;
  for (std::int64_t k = 0; k < count; ++k) {
    std::vector<std::int64_t> jets;
    for (std::int64_t j = 0; j < batch_size; ++j) {
      const auto part = (static_cast<double>(k) + 0.5) / static_cast<double>(count);
      const auto place = (static_cast<double>(j) + part) / static_cast<double>(batch_size) * total;
      jets.push_back(order[static_cast<std::size_t>(place)]);
    }
    std::shuffle(jets.begin(), jets.end(), engine);  // real batches are not sorted
    batches.push_back(
        make_batch(workload.train, jets, workload.task, workload.rule, mode == Mode::kTraining));
  }
  return batches;
}

JetSet jet_of_nodes(const Workload& workload, std::int64_t nodes) {
  const auto& set = workload.train;
  constexpr std::array<std::int64_t, 1> kFirst{0};
  const auto batch = make_batch(set, kFirst, workload.task, workload.rule, /*for_training=*/false);
  const auto wanted = nodes - (batch.offsets.back() - set.multiplicity(0));  // less the beams
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    if (set.multiplicity(jet) < wanted) continue;
    auto cut = set.slice(jet, 1);
    const auto size = static_cast<std::size_t>(wanted);
    cut.offsets = {0, wanted};
    cut.p4.resize(4 * size);
    cut.column.resize(size);
    if (!cut.species.empty()) cut.species.resize(size);
    return cut;
  }
  throw InputError("no jet of the data has " + std::to_string(nodes) + " nodes");
}

double counted_flops(const LorentzNetOptions& options, const Batch& batch, Mode mode) {
  double edges = 0;
  for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
    const auto nodes = static_cast<double>(batch.offsets[jet + 1] - batch.offsets[jet]);
    edges += nodes * (nodes - 1);
  }
  const auto hidden = static_cast<double>(options.n_hidden);
  const auto products = static_cast<double>(2 * options.n_layers - 1);
  return (mode == Mode::kTraining ? 4 : 1) * products * 2 * hidden * hidden * edges;
}

Runner::Runner(const Workload& workload, const Kernel& kernel, Mode mode)
    : jets_(workload.train),
      mode_(mode),
      network_(make_network(workload, kernel)),
      optimizer_(network_->parameters(),
                 torch::optim::AdamWOptions(1e-3).weight_decay(TrainerOptions{}.weight_decay)) {
  network_->train(mode == Mode::kTraining);
}

void Runner::run(const Batch& batch) {
  if (mode_ == Mode::kTraining) return train_on(batch);
  const torch::NoGradGuard no_grad;
  network_->forward(batch);
}

void Runner::train_on(const Batch& batch) {
  optimizer_.zero_grad();
  const auto loss = score_batch(network_->forward(batch), batch).loss;
  check_finite(loss.item<double>(), jets_, batch.jets);
  loss.backward();
  optimizer_.step();
}

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

std::string reason_against(const Workload& workload, const Kernel& kernel, Mode mode) {
  try {
    Runner runner(workload, kernel, mode);
    runner.run(alike_batches(workload, 2, 1, mode).front());
    return {};
  } catch (const std::exception& error) {
    return first_line(error);
  }
}

}  // namespace lorentznet::bench
