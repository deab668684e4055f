#include "app/plan.h"

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
  CHECK(choose({}, kGpu).why_plain == "device cuda:1");
  CHECK(!choose({}, kGpu).fused);
}

TEST_CASE("the fused kernel where it can't be used is an error with the reason") {
  const std::string cant = "--kernel fused: the fused kernel can't be used: ";
  CHECK(message({"--kernel", "fused", "--n_hidden", "257"}) == cant + "n_hidden 257 is above 256");
  CHECK(message({"--kernel", "fused", "--coordinates", "float"}) == cant + "coordinates in float");
  CHECK(message({"--kernel", "fused"}, kGpu) == cant + "device cuda:1");
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
