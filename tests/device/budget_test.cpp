// What a training step of the published network asks of a device, kernel by kernel.
#include <torch/utils.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "fake_device.h"
#include "kernels/emulated_kernels.h"
#include "lorentznet/trainer.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

struct Budget {
  const char* kernel;
  bool resident;                    ///< the jets are on the device
  std::int64_t launches;            ///< of operators, at most
  std::int64_t kernels;             ///< launches of our own
  std::int64_t waits;               ///< of the host
  std::int64_t to_device, to_host;  ///< copies
};

// A row a kernel; docs/gpu.md shows them.
// The GPU's own kernels and LibTorch's are 69 together.
constexpr Budget kBudgets[] = {
    {.kernel = "plain",
     .resident = false,
     .launches = 1257,
     .kernels = 0,
     .waits = 1,
     .to_device = 5,
     .to_host = 1},
    {.kernel = "plain",
     .resident = true,
     .launches = 1261,
     .kernels = 0,
     .waits = 1,
     .to_device = 2,
     .to_host = 1},
    {.kernel = "fused CUDA",
     .resident = true,
     .launches = 7,
     .kernels = 62,
     .waits = 1,
     .to_device = 3,
     .to_host = 1},
};
bool is_plain(const Budget& budget) { return budget.kernels == 0; }

/// Operators of LibTorch, and kernels of our own.
struct Counts {
  DeviceCounts device;
  std::int64_t kernels;

  static Counts now() { return {device_counts(), emulated_launches()}; }
  Counts since(const Counts& before) const {
    return {device.since(before.device), kernels - before.kernels};
  }
};

/// Jets of one and of two constituents, so that large batches take seconds and have padding.
JetSet small_jets(std::int64_t count) {
  JetSet jets;
  for (const std::int64_t constituents : {1, 2}) {
    auto jet = sample_jets(top_tagging(), 1);
    const auto size = static_cast<std::size_t>(constituents);
    jet.p4.resize(4 * size);
    jet.column.resize(size);
    if (!jet.species.empty()) jet.species.resize(size);
    jet.offsets = {0, constituents};
    jets.append(jet);
  }
  while (jets.num_jets() < count) jets.append(JetSet(jets));
  return jets.slice(0, count);
}

/// The counts of each step of a training that is neither the first nor the last.
std::vector<Counts> counts_of_steps(const JetSet& jets, const Budget& budget,
                                    std::int64_t batch_size) {
  const auto& task = top_tagging();
  torch::manual_seed(3);
  // Launches do not depend on the width: the published one is for small batches of the plain
  // kernel.
  const bool wide = is_plain(budget) && batch_size <= 32;
  LorentzNet model(LorentzNetOptions{
      .n_scalar = task.n_scalar, .n_hidden = wide ? 72 : 16, .c_weight = task.c_weight});
  move_to(*model, fake_device());
  if (!is_plain(budget)) model->use_gpu_kernel();
  REQUIRE(model->kernel_name() == budget.kernel);
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 1;
  options.batch_size = batch_size;
  options.learning_rate = [](std::int64_t) { return 1e-3; };
  options.jets_on_device = budget.resident;
  options.num_workers = 0;  // a batch is sent in its own step
  Counts before{};
  std::vector<Counts> steps;
  options.on_step = [&](double) {
    const auto now = Counts::now();
    steps.push_back(now.since(before));
    before = now;
  };
  const auto val = jets.slice(0, 1);
  Trainer trainer(model, {jets, val, task, {.pooling = Pooling::kBatch}}, options,
                  RunFolder(folder.path()), {});
  const std::atomic<bool> stop = false;
  REQUIRE(trainer.run(stop) == Trainer::Outcome::kFinished);
  return {steps.begin() + 1, steps.end() - 1};
}

void check(const Counts& both, const Budget& budget) {
  const auto& counts = both.device;
  CHECK(counts.launches <= budget.launches);
  CHECK(both.kernels <= budget.kernels);
  CHECK(counts.waits <= budget.waits);
  CHECK(counts.to_device <= budget.to_device);
  CHECK(counts.to_host <= budget.to_host);
}

}  // namespace

TEST_CASE("a training step stays within its budget of launches, waits and copies", "[alone]") {
  for (const auto& budget : kBudgets) {
    CAPTURE(budget.kernel, budget.resident);
    const auto of_sample = counts_of_steps(
        is_plain(budget) ? sample_jets(top_tagging(), 16) : small_jets(16), budget, 4);
    REQUIRE(of_sample.size() == 2);
    for (const auto& counts : of_sample) check(counts, budget);
    for (const std::int64_t batch_size : {32, 512, 4096}) {
      if (!is_plain(budget) && batch_size > 512) continue;  // minutes on the emulator
      CAPTURE(batch_size);
      for (const auto& counts : counts_of_steps(small_jets(3 * batch_size), budget, batch_size)) {
        check(counts, budget);
        CHECK(counts.device.launches_by_name == of_sample[0].device.launches_by_name);
      }
    }
  }
}
