// The choice of instruction set, and what is refused.
#include "lorentznet/isa.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <typeinfo>

#include "edge_case.h"
#include "engine/engine_choice.h"
#include "golden.h"
#include "io/helpers.h"
#include "kernels/fused_kernel.h"
#include "node_case.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr auto kVariable = "LORENTZNET_ISA";
constexpr std::array kAll{Isa::kPortable, Isa::kAvx2, Isa::kAvx512};

}  // namespace

TEST_CASE("LORENTZNET_ISA chooses the instruction set; the default is the best of this processor") {
  for (const auto isa : instruction_sets_here()) {
    const EnvironmentVariable variable(kVariable, std::string(name(isa)));
    CHECK(choose_isa() == isa);
  }
  const EnvironmentVariable none(kVariable, "");
  CHECK(choose_isa() == instruction_sets_here().back());
}

TEST_CASE("LORENTZNET_ISA: unknown names, and sets that this processor lacks, are errors") {
  for (const std::string wrong : {"sse9", "AVX2", "avx512 ", "portable,avx2", "0"}) {
    const EnvironmentVariable variable(kVariable, wrong);
    CHECK(input_error([] { choose_isa(); }) ==
          "LORENTZNET_ISA: '" + wrong + "' is not portable, avx2 or avx512");
  }
  for (const auto isa : kAll) {
    if (runs_here(isa)) continue;
    const EnvironmentVariable variable(kVariable, std::string(name(isa)));
    CHECK(input_error([] { choose_isa(); }) ==
          "LORENTZNET_ISA: this processor does not run '" + std::string(name(isa)) + "'");
    CHECK_THROWS_WITH(engine_of<float>(isa), Catch::Contains("does not run"));
  }
}

TEST_CASE("each instruction set has its own engine and its own rounding") {
  const std::map<Isa, std::string> type{
      {Isa::kPortable, "Portable"}, {Isa::kAvx2, "Avx2"}, {Isa::kAvx512, "Avx512"}};
  const auto edges = random_edges({.sizes = {40}, .hidden = 24}, at::kFloat);
  std::vector<at::Tensor> gradients;
  for (const auto isa : instruction_sets_here()) {
    const auto& engine = engine_of<float>(isa);
    CHECK_THAT(typeid(engine).name(), Catch::Contains(type.at(isa)));
    for (const auto& [name, tensor] : run(FusedEdgeKernel(isa), edges)) {
      if (name == "phi_e.3.weight") gradients.push_back(tensor);
    }
  }
  // The order of sums over edges depends on the number of lanes.
  for (std::size_t k = 1; k < gradients.size(); ++k) {
    CHECK(max_difference(gradients[k], gradients[k - 1]) > 0);
  }
}

TEST_CASE("the fused kernels refuse a network of double on AVX, and coordinates in float") {
  const auto edges = random_edges({.sizes = {3}}, at::kDouble);
  const auto nodes = random_nodes({.rows = 3}, at::kDouble);
  for (const auto isa : {Isa::kAvx2, Isa::kAvx512}) {
    const auto refused =
        Catch::Contains("on the portable instruction set only, not on " + std::string(name(isa)));
    CHECK_THROWS_WITH(run(FusedEdgeKernel(isa), edges), refused);
    CHECK_THROWS_WITH(run(FusedNodeKernel(isa), nodes), refused);
  }
  auto in_float = random_edges({.sizes = {3}}, at::kFloat);
  in_float.x = in_float.x.to(at::kFloat);
  CHECK_THROWS_WITH(run(FusedEdgeKernel(Isa::kPortable), in_float),
                    Catch::Contains("coordinates in double"));
}
