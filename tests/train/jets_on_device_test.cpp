// A training whose batches are gathered on the device gives, bit for bit, the results of others.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "lorentznet/trainer.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

struct Trained {
  LorentzNet model{nullptr};
  TrainingRecord record;
  std::vector<double> losses;      ///< of each step
  std::vector<std::string> lines;  ///< that say where the jets are
};

Trained train(const Task& task, std::optional<bool> jets_on_device, std::int64_t num_workers) {
  auto train = sample_jets(task, 40), val = train.slice(28, 12);
  train = train.slice(0, 28);
  for (std::int64_t jet = 0; jet < 28; ++jet) {
    train.weight.push_back(.5 + .05 * static_cast<double>(jet));
  }
  Trained result;
  torch::manual_seed(8);
  result.model = LorentzNet(
      LorentzNetOptions{.n_scalar = task.n_scalar, .n_hidden = 6, .n_layers = 2, .dropout = 0.2});
  const TemporaryFolder folder;
  TrainerOptions options;
  options.epochs = 2;
  options.batch_size = 8;
  options.num_workers = num_workers;
  options.learning_rate = [](std::int64_t) { return 1e-2; };
  options.on_step = [&](double loss) { result.losses.push_back(loss); };
  options.jets_on_device = jets_on_device;
  const Log log{[&](Level, const std::string& line) {
    if (line.starts_with("Jets on ")) result.lines.push_back(line);
  }};
  Trainer trainer(result.model, {train, val, task, {.pooling = Pooling::kBatch}}, options,
                  RunFolder(folder.path()), log);
  const std::atomic<bool> stop = false;
  REQUIRE(trainer.run(stop) == Trainer::Outcome::kFinished);
  result.record = trainer.record();
  return result;
}

}  // namespace

TEST_CASE("a training with its jets on the device has the same results, bit for bit", "[alone]") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    const auto expected = train(*task, false, 0);
    CHECK(expected.lines.empty());
    for (const std::int64_t num_workers : {0, 2}) {
      CAPTURE(task->name, num_workers);
      const auto found = train(*task, true, num_workers);
      CHECK(found.lines == std::vector<std::string>{"Jets on cpu: 0.00 GB"});
      CHECK(found.losses.size() == 6);
      CHECK(found.losses == expected.losses);
      CHECK(found.record.train_loss == expected.record.train_loss);
      CHECK(found.record.val_loss == expected.record.val_loss);
      CHECK(found.record.val_acc == expected.record.val_acc);
      for (const auto& parameter : found.model->named_parameters()) {
        CAPTURE(parameter.key());
        CHECK(parameter.value().equal(expected.model->named_parameters()[parameter.key()]));
      }
    }
  }
}

TEST_CASE("on the CPU batches come from the jets themselves by default, and no line says so") {
  CHECK(train(top_tagging(), std::nullopt, 0).lines.empty());
}
