// A training that was stopped and resumed ends, bit for bit, like one that never was.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/utils.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "io/json.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "lorentznet/trainer.h"
#include "same_state.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr std::int64_t kNever = -1;

struct Course {
  std::int64_t stop_after = kNever;  ///< steps, counted over epochs
  bool resume = false;
  std::int64_t val_interval = 1;
  std::int64_t epochs = 3;
  at::Device device = at::kCPU;
};

/// Collects the lines that say that a training moves to another device.
struct Moves {
  std::vector<std::string> lines = {};
  Log log() {
    return {[this](Level, const std::string& line) {
      if (line.starts_with("The training moves")) lines.push_back(line);
    }};
  }
};

/// Writes the file again with other entries.
template <typename Change>
void change_state(const std::filesystem::path& file, Change change) {
  auto state = read_state_dict(file);
  change(state);
  write_state_dict(file, state);
}

struct Jets {
  JetSet train = sample_jets(quark_gluon_tagging(), 50).slice(0, 40);
  JetSet val = sample_jets(quark_gluon_tagging(), 50).slice(40, 10);
};

/// Trains in a folder, 5 steps an epoch with dropout. It sets the seed, as the programs do at their
/// start, even if the state replaces it.
Trainer::Outcome train(const Jets& jets, const RunFolder& folder, const Course& course,
                       const JetSet* other_jets = nullptr, const Log& log = {}) {
  const auto& task = quark_gluon_tagging();
  torch::manual_seed(4);
  LorentzNet model(LorentzNetOptions{.n_scalar = 8, .n_hidden = 6, .n_layers = 2, .dropout = 0.5});
  model->to(course.device);
  const WarmupCosineSchedule schedule(1e-2, 2);
  std::atomic<bool> stop = false;
  std::int64_t steps = 0;
  TrainerOptions options;
  options.epochs = course.epochs;
  options.batch_size = 8;
  options.val_interval = course.val_interval;
  options.num_workers = 2;
  options.learning_rate = [&](std::int64_t epoch) { return schedule.learning_rate(epoch); };
  options.on_step = [&](double) { stop = ++steps == course.stop_after || stop; };
  const JetSet& training = other_jets != nullptr ? *other_jets : jets.train;
  Trainer trainer(model, {training, jets.val, task, {.pooling = Pooling::kJet}}, options, folder,
                  log);
  if (course.resume && !trainer.resume()) throw std::logic_error("no state to resume from");
  return trainer.run(stop);
}

void require_same_run(const RunFolder& a, const RunFolder& b, std::int64_t val_interval) {
  require_same_state(a.training_state(), b.training_state());
  require_same_state(a.best_model(), b.best_model());
  for (std::int64_t epoch = 0; epoch < 3; epoch += val_interval) {
    require_same_state(a.checkpoint(epoch), b.checkpoint(epoch));
  }
  const auto first = read_json(a.train_result()), second = read_json(b.train_result());
  for (const auto* key : {"epochs", "lr", "train_loss", "val_loss", "train_acc", "val_acc",
                          "best_val", "best_epoch"}) {
    CAPTURE(key);
    CHECK(first.at(key) == second.at(key));
  }
}

}  // namespace

TEST_CASE("a training stopped after any step and resumed ends with the same bits", "[alone]") {
  const Jets jets;
  for (const std::int64_t val_interval : {1, 2}) {
    const TemporaryFolder undisturbed;
    const RunFolder whole(undisturbed.path());
    REQUIRE(train(jets, whole, {.val_interval = val_interval}) == Trainer::Outcome::kFinished);
    for (std::int64_t stop_after = 1; stop_after <= 15; stop_after += 2) {
      CAPTURE(val_interval, stop_after);
      const TemporaryFolder disturbed;
      const RunFolder parts(disturbed.path());
      REQUIRE(train(jets, parts, {.stop_after = stop_after, .val_interval = val_interval}) ==
              Trainer::Outcome::kStopped);
      // A second stop, one step later, where there is one.
      const auto again =
          train(jets, parts, {.stop_after = 1, .resume = true, .val_interval = val_interval});
      CHECK((again == Trainer::Outcome::kStopped) == (stop_after < 15));
      REQUIRE(train(jets, parts, {.resume = true, .val_interval = val_interval}) ==
              Trainer::Outcome::kFinished);
      require_same_run(whole, parts, val_interval);
    }
  }
}

TEST_CASE("a finished training continues with more epochs") {
  const Jets jets;
  const TemporaryFolder at_once, in_parts;
  REQUIRE(train(jets, RunFolder(at_once.path()), {.epochs = 3}) == Trainer::Outcome::kFinished);
  REQUIRE(train(jets, RunFolder(in_parts.path()), {.epochs = 2}) == Trainer::Outcome::kFinished);
  REQUIRE(train(jets, RunFolder(in_parts.path()), {.resume = true, .epochs = 3}) ==
          Trainer::Outcome::kFinished);
  require_same_run(RunFolder(at_once.path()), RunFolder(in_parts.path()), 1);
}

TEST_CASE("a training resumes only with the jets it began with") {
  const Jets jets;
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  REQUIRE(train(jets, run, {.epochs = 1}) == Trainer::Outcome::kFinished);
  JetSet other = jets.train;
  other.p4.edit()[3] += 1e-9;
  CHECK_THROWS_AS(train(jets, run, {.resume = true}, &other), InputError);
  const auto fewer = jets.train.slice(0, 39);
  CHECK_THROWS_WITH(train(jets, run, {.resume = true}, &fewer), Catch::Contains("40 jets"));
}

TEST_CASE("a training resumes only with the columns it began with, if its state has them") {
  const Jets jets;
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  REQUIRE(train(jets, run, {.epochs = 1}) == Trainer::Outcome::kFinished);
  JetSet other = jets.train;
  other.column.edit()[3] += 7;  // n_nodes of a batch counts the columns
  CHECK_THROWS_AS(train(jets, run, {.resume = true}, &other), InputError);
  CHECK_THROWS_WITH(train(jets, run, {.resume = true}, &other), Catch::Contains("other columns"));
  // As it was written before the columns counted.
  change_state(run.training_state(), [](StateDict& state) {
    for (auto& [name, array] : state) {
      if (name != "setup") continue;
      const auto numbers = array.as<std::int64_t>();
      REQUIRE(numbers.size() == 5);
      array = Array({4}, std::vector<std::int64_t>(numbers.begin(), numbers.begin() + 4));
    }
  });
  CHECK(train(jets, run, {.resume = true, .epochs = 2}, &other) == Trainer::Outcome::kFinished);
}

TEST_CASE("a training that began on a GPU resumes on the CPU, and a line says so") {
  const Jets jets;
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  Moves moves;
  REQUIRE(train(jets, run, {.epochs = 1}) == Trainer::Outcome::kFinished);
  REQUIRE(train(jets, run, {.resume = true, .epochs = 2}, nullptr, moves.log()) ==
          Trainer::Outcome::kFinished);
  CHECK(moves.lines.empty());
  // The state of CUDA's generator: seed and offset.
  change_state(run.training_state(), [](StateDict& state) {
    state.emplace_back("rng.device", Array({1, 16}, std::vector<std::int64_t>(16, 1)));
  });
  CHECK(train(jets, run, {.resume = true, .epochs = 3}, nullptr, moves.log()) ==
        Trainer::Outcome::kFinished);
  REQUIRE(moves.lines.size() == 1);
  CHECK_THAT(moves.lines[0], Catch::Contains("from a GPU to the CPU"));
}

TEST_CASE("gpu: a training moves from the CPU to a GPU and back") {
  if (!at::hasCUDA()) return skip("no GPU, or a build for CPUs");
  const Jets jets;
  const TemporaryFolder on_cpu, on_both;
  const RunFolder whole(on_cpu.path()), parts(on_both.path());
  REQUIRE(train(jets, whole, {.epochs = 2}) == Trainer::Outcome::kFinished);
  Moves moves;
  const auto go_on = [&](std::int64_t epochs, const at::Device& device) {
    return train(jets, parts, {.resume = epochs > 1, .epochs = epochs, .device = device}, nullptr,
                 moves.log());
  };
  REQUIRE(go_on(1, at::kCPU) == Trainer::Outcome::kFinished);
  REQUIRE(go_on(2, {at::kCUDA, 0}) == Trainer::Outcome::kFinished);
  REQUIRE(moves.lines.size() == 1);
  CHECK_THAT(moves.lines[0], Catch::Contains("from the CPU to a GPU"));
  REQUIRE(go_on(3, {at::kCUDA, 0}) == Trainer::Outcome::kFinished);
  CHECK(moves.lines.size() == 1);
  REQUIRE(go_on(4, at::kCPU) == Trainer::Outcome::kFinished);
  REQUIRE(moves.lines.size() == 2);
  CHECK_THAT(moves.lines[1], Catch::Contains("from a GPU to the CPU"));
  const auto losses = read_json(parts.train_result()).at("train_loss");
  const auto expected = read_json(whole.train_result()).at("train_loss");
  CHECK(losses.at(0) == expected.at(0));  // the same epoch on the same device
  // Dropout draws other numbers, but it is the same training.
  CHECK(std::abs(losses.at(1).get<double>() - expected.at(1).get<double>()) < 0.2);
}

TEST_CASE("a loss that is not finite stops before the step and names the jets") {
  auto set = sample_jets(quark_gluon_tagging(), 20);
  const auto val = set;
  set.p4.edit()[4 * set.offsets[13]] = std::numeric_limits<double>::quiet_NaN();
  LorentzNet model(LorentzNetOptions{.n_scalar = 8, .n_hidden = 6, .n_layers = 2});
  const TemporaryFolder folder;
  TrainerOptions options;
  options.batch_size = 10;
  options.shuffle = false;
  options.learning_rate = [](std::int64_t) { return 1e-3; };
  Trainer trainer(model, {set, val, quark_gluon_tagging(), {.pooling = Pooling::kJet}}, options,
                  RunFolder(folder.path()), {});
  const std::atomic<bool> stop = false;
  CHECK_THROWS_WITH(trainer.run(stop), Catch::Contains("not finite") && Catch::Contains("jet 13") &&
                                           !Catch::Contains("jet 9"));
  for (const auto& parameter : model->parameters())
    CHECK(at::isfinite(parameter).all().item<bool>());
}

TEST_CASE("a split that is too small is refused") {
  const Jets jets;
  LorentzNet model(LorentzNetOptions{.n_scalar = 8, .n_hidden = 6, .n_layers = 2});
  TrainerOptions options;
  options.batch_size = 41;
  options.learning_rate = [](std::int64_t) { return 1e-3; };
  const auto make = [&](const JetSet& train, const JetSet& val) {
    Trainer(model, {train, val, quark_gluon_tagging(), {}}, options, RunFolder(""), {});
  };
  CHECK_THROWS_WITH(make(jets.train, jets.val),
                    Catch::Contains("40 jets") && Catch::Contains("41"));
  CHECK_THROWS_WITH(make(sample_jets(quark_gluon_tagging(), 41), JetSet{}),
                    Catch::Contains("validation"));
}

TEST_CASE("border: numbers of a training and a pass that are not above 0 are refused") {
  const Jets jets;
  const auto& task = quark_gluon_tagging();
  LorentzNet model(LorentzNetOptions{.n_scalar = 8, .n_hidden = 6, .n_layers = 2});
  const auto refused = [&](auto set, const std::string& text) {
    TrainerOptions options;
    options.batch_size = 8;
    options.learning_rate = [](std::int64_t) { return 1e-3; };
    set(options);
    const auto make = [&] {
      Trainer(model, {jets.train, jets.val, task, {}}, options, RunFolder(""), {});
    };
    CHECK_THROWS_AS(make(), InputError);
    CHECK_THROWS_WITH(make(), Catch::Contains(text));
  };
  refused([](auto& options) { options.batch_size = 0; }, "batch_size is 0");
  refused([](auto& options) { options.val_interval = 0; }, "val_interval is 0");
  refused([](auto& options) { options.log_interval = -1; }, "log_interval is -1");
  const auto pass = [&](const JetSet& set, const PassOptions& options) {
    evaluate(model, set, task, {}, options, {});
  };
  CHECK_THROWS_AS(pass(jets.val, {.partition = "test", .batch_size = 0}), InputError);
  CHECK_THROWS_WITH(pass(jets.val, {.partition = "test", .batch_size = 0}),
                    Catch::Contains("batches of 0 jets"));
  CHECK_THROWS_WITH(pass(jets.val, {.partition = "test", .log_interval = 0}),
                    Catch::Contains("every 0 batches"));
  auto other = jets.val;
  other.label.edit()[2] = 4;
  CHECK_THROWS_AS(pass(other, {}), InputError);
  CHECK_THROWS_WITH(pass(other, {}), Catch::Contains("class 4") && Catch::Contains("0 to 1"));
}
