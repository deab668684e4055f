// The comparison of CUDA kernels with the plain kernel before a run uses them, with the kernels on
// the emulator and the memory of a fake device.
#include "model/gpu_comparison.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <mutex>

#include "app/gpu_check.h"
#include "device_training.h"
#include "fake_device.h"
#include "io/helpers.h"
#include "kernels/emulated_kernels.h"
#include "model/model_state.h"
#include "parallel/gloo_ranks.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

LorentzNet new_network(const LorentzNetOptions& options, const at::Device& device = fake_device()) {
  torch::manual_seed(4);
  LorentzNet network(options);
  move_to(*network, device);
  return network;
}

LorentzNet small_network_on(const at::Device& device = fake_device()) {
  return new_network({.n_scalar = 8, .n_hidden = 16, .n_layers = 2}, device);
}

LorentzNet trained_network() {
  const TemporaryFolder folder;
  auto model = train_on_device({.epochs = 6, .hidden = 16}, folder.path()).model;
  move_to(*model, fake_device());
  return model;
}

/// What check_gpu_kernel() decides, and what it logs.
struct Decision {
  ChosenKernel kernel;
  std::vector<std::string> lines;
};
Decision decide(LorentzNet& network, KernelChoice choice, bool test_mode,
                const Communicator& ranks = *single_process()) {
  Decision decision;
  const Log log{[&](Level, const std::string& line) { decision.lines.push_back(line); }};
  Arguments arguments;
  arguments.test_mode = test_mode;
  arguments.kernel = choice;
  const auto precision = choice == KernelChoice::kHalf ? GpuPrecision::kHalf : GpuPrecision::kFloat;
  decision.kernel = check_gpu_kernel(*network, {.gpu = precision}, arguments, ranks, log);
  return decision;
}

}  // namespace

TEST_CASE("CUDA kernels differ from the plain kernel by rounding, far below the limits",
          "[alone]") {
  const auto check = [](LorentzNet network, bool trains) {
    for (const auto precision : {GpuPrecision::kFloat, GpuPrecision::kHalf}) {
      const auto differences = compare_gpu_kernels(*network, precision, trains);
      CHECK(differences.size() == (trains ? 3 : 1));
      for (const auto& [of, found, limit] : differences) {
        CAPTURE(static_cast<int>(precision), of);
        CHECK(found > 0);
        CHECK(found <= limit / 3);
      }
    }
  };
  check(trained_network(), /*trains=*/false);
  check(new_network({.n_scalar = 2, .n_hidden = 24, .n_class = 5, .n_layers = 3}),
        /*trains=*/true);
  check(new_network({.n_scalar = 8, .n_hidden = 16, .n_layers = 1, .c_weight = .1}),
        /*trains=*/true);
}

TEST_CASE("the comparison of CUDA kernels leaves the network and random generators as they are") {
  auto network = small_network_on();
  network->train();
  at::rand({3}, at::TensorOptions().device(fake_device()));  // so that its generator has a state
  const auto generators = [] {
    std::vector<at::Tensor> states;
    for (const auto& device : {at::Device(at::kCPU), fake_device()}) {
      states.push_back(at::globalContext().defaultGenerator(device).get_state().clone());
    }
    return states;
  };
  const auto tensors = named_tensors(*network);
  NamedTensors before;
  std::vector<std::uint32_t> versions;
  for (const auto& [name, tensor] : tensors) {
    before.emplace_back(name, cpu_view(tensor).clone());
    versions.push_back(tensor._version());
  }
  const auto states = generators();
  const torch::NoGradGuard as_in_a_test;
  compare_gpu_kernels(*network, GpuPrecision::kFloat, /*trains=*/true);
  CHECK(network->is_training());
  CHECK(network->kernel_name() == "plain");
  for (std::size_t k = 0; k < tensors.size(); ++k) {
    CAPTURE(tensors[k].first);
    CHECK(at::equal(cpu_view(tensors[k].second), before[k].second));
    CHECK(tensors[k].second._version() == versions[k]);
    CHECK(!tensors[k].second.grad().defined());
  }
  CHECK(at::equal(generators()[0], states[0]));
  CHECK(at::equal(generators()[1], states[1]));
}

TEST_CASE("a run takes CUDA kernels that agree with the plain kernel, and says how well") {
  auto network = small_network_on();
  for (const auto choice : {KernelChoice::kAuto, KernelChoice::kFused, KernelChoice::kHalf}) {
    const auto [kernel, lines] = decide(network, choice, /*test_mode=*/false);
    CHECK(kernel.gpu ==
          (choice == KernelChoice::kHalf ? GpuPrecision::kHalf : GpuPrecision::kFloat));
    CHECK(lines.empty());
    CHECK_THAT(
        use_kernel(*network, kernel),
        Catch::Matches("Kernel: fused CUDA(, half)? \\(agrees with plain on this GPU: logits "
                       "to [0-9.e-]+, gradients to [0-9.e-]+, running statistics to "
                       "[0-9.e-]+\\)"));
  }
  const auto [kernel, lines] = decide(network, KernelChoice::kAuto, /*test_mode=*/true);
  CHECK_THAT(kernel.agreement,
             Catch::Matches("agrees with plain on this GPU: logits to [0-9.e-]+"));
}

TEST_CASE("a run does not take CUDA kernels that make a mistake") {
  auto network = small_network_on();
  const std::string differ = "the CUDA kernels differ from plain on this GPU: ";
  struct Case {
    Mistake mistake;
    bool test_mode;
    std::string text;
  };
  const std::vector<Case> cases{
      {Mistake::kLogit, true, differ + "logits by [0-9.e-]+ of their size"},
      {Mistake::kLogit, false, differ + "logits by [0-9.e-]+ of their size"},
      {Mistake::kCoordinates, false, differ + "logits by [0-9.e-]+ of their size"},
      {Mistake::kNotANumber, true, differ + "logits by nan of their size"},
      {Mistake::kGradient, false, differ + "gradients by 1 of their size"},
      {Mistake::kStatistics, false, differ + "running statistics by [0-9.e-]+ of their size"},
      {Mistake::kLaunch, false,
       "the CUDA kernels fail on this GPU: starting a kernel: no such device"}};
  for (const auto& [mistake, test_mode, text] : cases) {
    CAPTURE(text);
    const MistakenKernels mistaken(mistake);
    const auto [kernel, lines] = decide(network, KernelChoice::kAuto, test_mode);
    CHECK(!kernel.gpu);
    REQUIRE(lines.size() == 1);
    CHECK_THAT(lines[0],
               Catch::Matches("Warning: " + text + "\\. This run uses the plain kernel, .*"));
    CHECK_THAT(use_kernel(*network, kernel), Catch::Matches("Kernel: plain \\(" + text + "\\)"));
    CHECK_THAT(input_error([&] { decide(network, KernelChoice::kFused, test_mode); }),
               Catch::Matches("--kernel fused: " + text + " \\(--kernel plain can be used\\)"));
  }
  const MistakenKernels mistaken(Mistake::kLogit);
  CHECK_THAT(input_error([&] { decide(network, KernelChoice::kHalf, /*test_mode=*/true); }),
             Catch::StartsWith("--kernel half: " + differ + "logits by "));
}

TEST_CASE("all ranks take the plain kernel if the CUDA kernels make a mistake on one of them") {
  for (const auto mistake : {Mistake::kLogit, Mistake::kNotANumber, Mistake::kLaunch}) {
    std::vector<Decision> decisions(2);
    run_ranks(2, [&](Processes& processes) {
      const auto rank = processes.launch().rank;
      const MistakenKernels mistaken(rank == 1 ? mistake : Mistake::kNone);
      static std::mutex one_generator;
      std::unique_lock lock(one_generator);
      auto network = small_network_on(fake_device(static_cast<std::int8_t>(rank)));
      lock.unlock();
      decisions[static_cast<std::size_t>(rank)] =
          decide(network, KernelChoice::kAuto, /*test_mode=*/false, *processes.communicator());
    });
    for (const auto& [kernel, lines] : decisions) {
      CAPTURE(static_cast<int>(mistake), kernel.why_plain);
      CHECK(!kernel.gpu);
      CHECK_THAT(kernel.why_plain, Catch::Contains("on the GPUs of this run: "));
    }
  }
}
