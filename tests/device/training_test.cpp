// A training on a fake device: its results are the CPU's, it resumes to the same bits, and a loss
// that is not finite leaves the weights alone.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "device_training.h"
#include "fake_device.h"
#include "golden.h"
#include "lorentznet/checkpoint.h"
#include "same_state.h"
#include "support.h"
#include "train/loader.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

bool has_generator_of_device(const std::filesystem::path& state) {
  for (const auto& [name, array] : read_state_dict(state)) {
    if (name == "rng.device") return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a training on a device follows the CPU, wherever its batches come from", "[alone]") {
  for (const bool weights : {false, true}) {
    const TemporaryFolder on_cpu;
    const auto expected = train_on_device({.weights = weights, .dropout = 0}, on_cpu.path());
    for (const bool resident : {false, true}) {
      CAPTURE(weights, resident);
      const TemporaryFolder folder;
      const auto found = train_on_device(
          {.device = fake_device(), .jets_on_device = resident, .weights = weights, .dropout = 0},
          folder.path());
      REQUIRE(found.losses.size() == 8);
      for (std::size_t step = 0; step < 8; ++step) {
        CAPTURE(step);
        CHECK(std::abs(found.losses[step] - expected.losses[step]) <= 1e-5);
      }
      // AdamW is another kernel: the weights agree within a thousandth of the steps' length.
      for (const auto& parameter : found.model->named_parameters()) {
        if (parameter.key().find("phi_h.0.bias") != std::string::npos) continue;  // only noise
        CAPTURE(parameter.key());
        const auto& reference = expected.model->named_parameters()[parameter.key()];
        CHECK(max_difference(cpu_view(parameter.value().detach()), reference.detach()) <= 1e-3);
      }
    }
  }
}

TEST_CASE("a training on a device that is stopped and resumed ends with the same bits", "[alone]") {
  for (const bool resident : {false, true}) {
    const DeviceTraining training{.device = fake_device(1), .jets_on_device = resident};
    const TemporaryFolder undisturbed;
    train_on_device(training, undisturbed.path());
    const RunFolder whole(undisturbed.path());
    CHECK(has_generator_of_device(whole.training_state()));
    for (const std::int64_t stop_after : {1, 3, 4, 5}) {
      CAPTURE(resident, stop_after);
      const TemporaryFolder disturbed;
      auto part = training;
      part.stop_after = stop_after;
      CHECK(train_on_device(part, disturbed.path()).outcome == Trainer::Outcome::kStopped);
      part = training;
      part.resume = true;
      CHECK(train_on_device(part, disturbed.path()).outcome == Trainer::Outcome::kFinished);
      const RunFolder parts(disturbed.path());
      require_same_state(whole.training_state(), parts.training_state());
      require_same_state(whole.best_model(), parts.best_model());
    }
  }
}

TEST_CASE("a training moves from the CPU to a device and back, with AdamW's state") {
  const TemporaryFolder folder;
  train_on_device({.epochs = 1}, folder.path());
  CHECK(train_on_device({.device = fake_device(), .epochs = 2, .resume = true}, folder.path())
            .losses.size() == 4);
  CHECK(train_on_device({.epochs = 3, .resume = true}, folder.path()).losses.size() == 4);
}

TEST_CASE("a loss that is not finite stops a training on a device, and does not reach its weights",
          "[alone]") {
  using Cases = std::vector<std::pair<std::size_t, bool>>;
  constexpr std::size_t kStepJets = 8;
  const auto order = shuffled_order(32, TrainerOptions().seed);
  for (const auto& [step, gpu_kernel] : Cases{{1, false}, {3, false}, {1, true}, {3, true}}) {
    CAPTURE(step, gpu_kernel);  // step: of 4
    DeviceTraining training{.device = fake_device(), .weights = true};
    training.gpu_kernel = gpu_kernel;
    if (gpu_kernel) training.hidden = 16;
    const auto spoiled_jet = static_cast<std::size_t>(order[kStepJets * step]);
    training.change_jets = [&](JetSet& jets) {
      jets.weight.edit()[spoiled_jet] = std::numeric_limits<float>::infinity();
    };
    const TemporaryFolder folder, other;
    TrainedOnDevice spoiled;
    CHECK_THROWS_WITH(train_on_device(training, folder.path(), spoiled),
                      Catch::Contains("the loss is not finite; jets of the batch: "));
    CHECK(spoiled.losses.size() == step);
    CHECK(!std::filesystem::exists(RunFolder(folder.path()).checkpoint(0)));
    for (const auto& parameter : spoiled.model->parameters()) {
      CHECK(at::isfinite(cpu_view(parameter.detach())).all().item<bool>());
    }
    if (step != 3) continue;  // else the device did one more step before the host knew
    training.change_jets = {};
    training.stop_after = 2;  // the third is on its way then
    const auto sound = train_on_device(training, other.path());
    for (const auto& parameter : spoiled.model->named_parameters()) {
      CAPTURE(parameter.key());
      const auto& expected = sound.model->named_parameters()[parameter.key()];
      CHECK(cpu_view(parameter.value().detach()).equal(cpu_view(expected.detach())));
    }
  }
}
