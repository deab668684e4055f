// The full-size model through the trainer itself, against the Python program's losses in float64.
#include <ATen/ATen.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "golden.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/trainer.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

std::vector<double> train_in_file_order(const Golden& golden, const std::filesystem::path& init,
                                        const Engine& engine) {
  const auto& task = golden.task();
  LorentzNet model(
      LorentzNetOptions{.n_scalar = task.n_scalar, .c_weight = task.c_weight, .dropout = 0});
  model->set_type(at::kDouble);
  load_model_state(*model, read_state_dict(init), init);
  use_engine(model, engine);

  const auto jets = golden.jets();
  const auto validation = jets.slice(0, 1);
  const PoolingRule rule{.pooling = Pooling::kConstant,
                         .n_nodes = golden.tensor("n_nodes").item<std::int64_t>()};
  const TemporaryFolder folder;
  std::vector<double> losses;
  TrainerOptions options;
  options.epochs = 1;
  options.batch_size = golden.tensor("batch_size").item<std::int64_t>();
  options.shuffle = false;
  options.learning_rate = [](std::int64_t) { return 1e-3; };
  options.on_step = [&losses](double loss) { losses.push_back(loss); };
  Trainer trainer(model, {jets, validation, task, rule}, options, RunFolder(folder.path()), {});
  const std::atomic<bool> stop = false;
  REQUIRE(trainer.run(stop) == Trainer::Outcome::kFinished);
  return losses;
}

void check_trajectory(const Engine& engine) {
  const auto files = golden_files("_trajectory.npz");
  if (files.empty()) return skip("no reference folder with golden trajectories");
  for (const auto& file : files) {
    CAPTURE(file);
    const Golden golden(file);
    auto init = file.string();
    init.replace(init.rfind(".npz"), 4, "_init.pt");
    const auto losses = train_in_file_order(golden, init, engine);
    const auto expected = golden.tensor("losses");
    REQUIRE(static_cast<std::int64_t>(losses.size()) == expected.numel());
    for (std::size_t step = 0; step < losses.size(); ++step) {
      CAPTURE(step);
      CHECK(std::abs(losses[step] - expected[static_cast<std::int64_t>(step)].item<double>()) <=
            1e-8);
    }
  }
}

}  // namespace

TEST_CASE("golden: 50 steps of AdamW with the full-size model in double", "[alone]") {
  check_trajectory({});
}

TEST_CASE("gpu: golden: 50 steps of AdamW with the full-size model in double") {
  const auto engines = gpu_engines();
  if (engines.empty()) return skip("no GPU, or a build for CPUs");
  for (const auto& engine : engines) check_trajectory(engine);
}
