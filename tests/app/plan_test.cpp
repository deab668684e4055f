#include "app/plan.h"

#include "app/gpu_check.h"
#include "io/helpers.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

EnvironmentVariable isa_variable(const std::string& value) { return {"LORENTZNET_ISA", value}; }

ChosenKernel choose(const std::vector<std::string>& words, const at::Device& device = at::kCPU) {
  return choose_kernel(parse_command_line(top_tagging(), words).arguments, device);
}

std::string message(const std::vector<std::string>& words, const at::Device& device = at::kCPU) {
  return input_error([&] { choose(words, device); });
}

/// Test mode with some flags.
std::vector<std::string> testing(std::vector<std::string> words) {
  words.insert(words.end(), {"--test_mode", "--exp_name", "pretrained"});
  return words;
}

const at::Device kGpu(at::kCUDA, 1);

}  // namespace

TEST_CASE("by default the fused kernel computes what it can") {
  const auto portable = isa_variable("portable");
  for (const auto* hidden : {"1", "4", "72", "256"}) {
    const auto choice = choose({"--n_hidden", hidden});
    CHECK(choice.fused == Isa::kPortable);
    CHECK(choice.why_plain.empty());
  }
  CHECK(choose({"--kernel", "fused"}).fused == Isa::kPortable);
}

TEST_CASE("the plain kernel computes the rest, and the reason is told") {
  CHECK(choose({"--n_hidden", "257"}).why_plain == "n_hidden 257 is above 256");
  CHECK(choose({"--coordinates", "float"}).why_plain == "coordinates in float");
}

TEST_CASE("a GPU has the CUDA kernels, if the build has them for the network") {
  for (const std::int64_t hidden : {72, 71}) {
    const auto obstacle = why_no_gpu_kernel({.n_hidden = hidden});
    const std::vector<std::string> words{"--n_hidden", std::to_string(hidden)};
    for (const auto& choice : {choose(words, kGpu), choose(testing(words), kGpu)}) {
      CHECK(choice.gpu == (obstacle.empty() ? std::optional(GpuPrecision::kFloat) : std::nullopt));
      CHECK(choice.why_plain == obstacle);
      CHECK(!choice.fused);
    }
  }
  CHECK(!why_no_gpu_kernel({.n_hidden = 71}).empty());
  CHECK(choose(testing({"--coordinates", "float"}), kGpu).why_plain == "coordinates in float");
  CHECK(!choose(testing({"--kernel", "plain"}), kGpu).gpu);
}

TEST_CASE("the fused kernel where it can't be used is an error with the reason") {
  const std::string cant = "--kernel fused: the fused kernel can't be used: ";
  CHECK(message({"--kernel", "fused", "--n_hidden", "257"}) == cant + "n_hidden 257 is above 256");
  CHECK(message({"--kernel", "fused", "--coordinates", "float"}) == cant + "coordinates in float");
  CHECK(message({"--kernel", "fused", "--n_hidden", "71"}, kGpu) ==
        cant + why_no_gpu_kernel({.n_hidden = 71}));
}

TEST_CASE("products of 16 bits where --kernel half demands them, on a GPU alone") {
  const std::string cant = "--kernel half: the fused kernel can't be used: ";
  CHECK(message({"--kernel", "half"}) == "--kernel half: only a GPU has it, the device is cpu");
  CHECK(message({"--kernel", "half", "--coordinates", "float"}, kGpu) ==
        cant + "coordinates in float");
  CHECK(message({"--kernel", "half", "--n_hidden", "71"}, kGpu) ==
        cant + why_no_gpu_kernel({.n_hidden = 71}));
  if (const auto obstacle = why_no_gpu_kernel({}); !obstacle.empty()) {
    CHECK(message({"--kernel", "half"}, kGpu) == cant + obstacle);
  } else {
    CHECK(choose({"--kernel", "half"}, kGpu).gpu == GpuPrecision::kHalf);
    CHECK(choose({"--kernel", "fused"}, kGpu).gpu == GpuPrecision::kFloat);
  }
}

TEST_CASE("LORENTZNET_ISA is read where the fused kernel runs, and only there") {
  const auto unknown = isa_variable("sse9");
  const std::string refused = "LORENTZNET_ISA: 'sse9' is not portable, avx2 or avx512";
  CHECK(message({}) == refused);
  CHECK(message({"--kernel", "fused"}) == refused);
  CHECK(message({"--kernel", "plain"}).empty());
  CHECK(message({"--coordinates", "float"}).empty());
}

TEST_CASE("the network gets the kernel that was chosen") {
  LorentzNet network(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  CHECK(use_kernel(*network, {.fused = Isa::kPortable}) == "Kernel: fused portable");
  CHECK(network->kernel_name() == "fused portable");
  CHECK(use_kernel(*network, {.why_plain = "device cuda:1"}) == "Kernel: plain (device cuda:1)");
  CHECK(network->kernel_name() == "plain");
  CHECK(use_kernel(*network, {}) == "Kernel: plain");
}

TEST_CASE("kernels of CPUs are not compared with the plain kernel") {
  LorentzNet network(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  const auto kernel =
      check_gpu_kernel(*network, {.fused = Isa::kPortable}, {}, *single_process(), {});
  CHECK(kernel.fused == Isa::kPortable);
  CHECK(use_kernel(*network, kernel) == "Kernel: fused portable");
}
