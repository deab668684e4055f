// Several ranks train as one process does with a batch of all their batches.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>

#include "gloo_ranks.h"
#include "lorentznet/trainer.h"
#include "named_tensors.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr std::int64_t kSteps = 50, kStepsOfEpoch = 5;

struct Course {
  const Task& task;
  PoolingRule rule;
  at::ScalarType type = at::kDouble;
  bool fused = false;
  std::int64_t batch_size = 0;  ///< jets a step
  bool shuffle = true;
};

struct Result {
  std::vector<double> losses;
  NamedTensors state;
};

LorentzNet make_network(const Course& course) {
  auto model = small_network(course.task);
  if (course.type == at::kFloat) {  // small_network has weights that amplify rounding
    torch::manual_seed(1);
    model = LorentzNet(LorentzNetOptions{.n_scalar = course.task.n_scalar,
                                         .n_hidden = 12,
                                         .n_layers = 3,
                                         .c_weight = course.task.c_weight,
                                         .dropout = 0});
  }
  if (course.fused) model->use_fused_kernel(Isa::kPortable);
  return model;
}

/// 50 steps of one of `ranks`, then the scores of all jets.
Result train(LorentzNet model, const JetSet& jets, const Course& course,
             const std::shared_ptr<const Communicator>& ranks) {
  const TemporaryFolder folder;
  Result result;
  TrainerOptions options;
  options.batch_size = course.batch_size / ranks->size();
  options.epochs = kSteps / (jets.num_jets() / course.batch_size);
  options.shuffle = course.shuffle;
  options.val_interval = options.epochs;
  options.num_workers = 1;
  const double rate = course.type == at::kFloat ? 1e-4 : 1e-3;
  options.learning_rate = [rate](std::int64_t) { return rate; };
  options.on_step = [&result](double loss) { result.losses.push_back(loss); };
  options.ranks = ranks;
  const RunFolder run(folder.path());
  Trainer trainer(model, {jets, jets, course.task, course.rule}, options, run, {});
  const std::atomic<bool> stop = false;
  trainer.run(stop);
  if (std::filesystem::exists(run.training_state()) != (ranks->rank() == 0)) {
    throw std::logic_error("not rank 0 alone has written");
  }
  for (const auto& [name, tensor] : named_tensors(*model)) {
    result.state.emplace_back(name, tensor.detach().to(at::kDouble));
  }
  return result;
}

/// Batch norm cancels the bias before it: the gradient of the bias is zero up to rounding, and
/// AdamW turns that into steps of full length.
bool is_noise(const std::string& name) { return name.find("phi_h.0.bias") != std::string::npos; }
bool follows_noise(const std::string& name) {
  return name.find("phi_h.1.running_mean") != std::string::npos;
}

struct Tolerance {
  double loss, state;  ///< relative; of the state, to the largest of each tensor
};
constexpr Tolerance kDouble{1e-10, 1e-10};

void check_close(const Result& found, const Result& expected, const Tolerance& tolerance) {
  REQUIRE(expected.losses.size() == kSteps);
  REQUIRE(found.losses.size() == kSteps);
  for (std::size_t k = 0; k < found.losses.size(); ++k) {
    CAPTURE(k, found.losses[k], expected.losses[k]);
    CHECK(std::abs(found.losses[k] - expected.losses[k]) <= tolerance.loss * expected.losses[k]);
  }
  NamedTensors found_state, expected_state;
  for (std::size_t k = 0; k < found.state.size(); ++k) {
    const auto& name = found.state[k].first;
    if (is_noise(name) || follows_noise(name)) continue;
    found_state.push_back(found.state[k]);
    expected_state.push_back(expected.state[k]);
  }
  check_same(found_state, expected_state, tolerance.state);
}

void check_follows(const JetSet& jets, const Course& course, std::int64_t size,
                   const Tolerance& tolerance) {
  CAPTURE(course.task.name, size, course.fused);
  const auto alone = train(make_network(course), jets, course, single_process());
  std::vector<LorentzNet> models;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    models.push_back(make_network(course));
    if (rank == 0) continue;  // its weights become rank 0's
    const torch::NoGradGuard no_grad;
    models.back()->parameters().front().add_(1);
  }
  std::vector<Result> results(static_cast<std::size_t>(size));
  run_ranks(size, [&](Processes& processes) {
    const auto rank = static_cast<std::size_t>(processes.launch().rank);
    results[rank] = train(models[rank], jets, course, processes.communicator());
  });
  check_close(results[0], alone, tolerance);
  for (const auto& result : results) {
    CHECK(result.losses == results[0].losses);
    check_equal(result.state, results[0].state);
  }
}

/// Jets with at most so many particles each, the first of them.
JetSet with_few_particles(const JetSet& set,
                          const std::function<std::int64_t(std::int64_t)>& most) {
  JetSet jets;
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    auto one = set.slice(jet, 1);
    const auto kept = std::min(most(jet), one.offsets.back());
    one.p4.resize(static_cast<std::size_t>(4 * kept));
    if (!one.species.empty()) one.species.resize(static_cast<std::size_t>(kept));
    one.column.resize(static_cast<std::size_t>(kept));
    one.offsets = {0, kept};
    jets.append(one);
  }
  return jets;
}

/// The time of a step grows with the square of the particles, and what ranks exchange does not.
constexpr std::int64_t kMostParticles = 16;

void check_follows(const Course& course, std::int64_t size, const Tolerance& tolerance) {
  const auto most = [](std::int64_t jet) { return kMostParticles - jet % 5; };
  check_follows(
      with_few_particles(sample_jets(course.task, kStepsOfEpoch * course.batch_size), most), course,
      size, tolerance);
}

const Course kTop{.task = top_tagging(), .rule = {.pooling = Pooling::kBatch}, .batch_size = 20};
const Course kQuarkGluon{.task = quark_gluon_tagging(),
                         .rule = {.pooling = Pooling::kConstant, .n_nodes = 139},
                         .batch_size = 20};

Course with(Course course, bool fused, std::int64_t batch_size) {
  course.fused = fused;
  course.batch_size = batch_size;
  return course;
}

}  // namespace

TEST_CASE("2 ranks follow one process, in double", "[alone]") {
  check_follows(with(kQuarkGluon, false, 4), 2, kDouble);
  check_follows(with(kTop, true, 4), 2, kDouble);
}

TEST_CASE("3 ranks follow one process, in double", "[alone]") {
  check_follows(with(kQuarkGluon, true, 6), 3, kDouble);
  check_follows(with(kTop, false, 6), 3, kDouble);
}

TEST_CASE("4 ranks follow one process, in double", "[alone]") {
  check_follows(with(kTop, true, 8), 4, kDouble);
  check_follows(with(kQuarkGluon, false, 8), 4, kDouble);
}

// Rounding errors grow from step to step, faster with a higher learning rate: AdamW makes steps of
// full length of gradients that are only rounding. So the rate is low here, and the state may
// differ by a part of a step.
TEST_CASE("ranks follow one process in float", "[alone]") {
  auto course = with(kTop, true, 8);
  course.type = at::kFloat;
  for (const std::int64_t size : {2, 4}) {
    check_follows(course, size, {.loss = 1e-5, .state = 2e-3});
  }
}

TEST_CASE("ranks follow one process if a rank has no edges, or none has any", "[alone]") {
  // Jets 0 .. 3 are the first step of an epoch, without an edge; 4 .. 7 the second, of which one
  // has edges.
  const auto jets = with_few_particles(sample_jets(quark_gluon_tagging(), 8), [](std::int64_t jet) {
    return jet < 7 ? std::int64_t{1} : kMostParticles;
  });
  for (const bool fused : {false, true}) {
    auto course = with(kQuarkGluon, fused, 4);
    course.shuffle = false;
    check_follows(jets, course, 2, kDouble);
  }
}

TEST_CASE("scores and figures have the digits of one process for any number of ranks", "[alone]") {
  for (const auto& course : {kTop, kQuarkGluon}) {
    const auto jets = sample_jets(course.task, 37);
    auto model = make_network(course);
    model->set_type(at::kFloat);
    for (const bool fused : {false, true}) {
      if (fused) model->use_fused_kernel(Isa::kPortable);
      const auto score = [&](LorentzNet network, const auto& ranks) {
        PassOptions options{
            .partition = "test", .batch_size = 5, .num_workers = 2, .log_interval = 3};
        options.ranks = ranks;
        return evaluate(network, jets, course.task, course.rule, options, {}).value();
      };
      const auto expected = score(model, single_process());
      for (const std::int64_t size : {2, 3, 4}) {
        CAPTURE(course.task.name, size, fused);
        std::vector<Scores> scores(static_cast<std::size_t>(size));
        run_ranks(size, [&](Processes& processes) {
          scores[static_cast<std::size_t>(processes.launch().rank)] =
              score(model, processes.communicator());
        });
        for (const auto& found : scores) {
          CHECK(found.probability == expected.probability);
          CHECK(found.loss == expected.loss);
          CHECK(found.accuracy == expected.accuracy);
        }
      }
    }
  }
}
