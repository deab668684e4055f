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

TEST_CASE("each instruction set has its own engine; all of them compute the same bits") {
  const std::map<Isa, std::string> type{
      {Isa::kPortable, "Portable"}, {Isa::kAvx2, "Avx2"}, {Isa::kAvx512, "Avx512"}};
  for (const auto isa : instruction_sets_here()) {
    CHECK_THAT(typeid(engine_of<float>(isa)).name(), Catch::Contains(type.at(isa)));
  }
  const auto edges_of = [](Isa isa, const EdgeCase& edges) {
    return run(FusedEdgeKernel(isa), edges);
  };
  const auto nodes_of = [](Isa isa, const NodeCase& nodes) {
    return run(FusedNodeKernel(isa), nodes);
  };
  for (const std::int64_t hidden : {1, 4, 13, 24, 72, 104, 256}) {
    for (const bool training : {false, true}) {
      CAPTURE(hidden, training);
      const auto edges = random_edges(
          {.sizes = {1, 2, 17, 20}, .hidden = hidden, .training = training}, at::kFloat);
      const auto nodes =
          random_nodes({.rows = 100, .hidden = hidden, .training = training}, at::kFloat);
      for (const auto isa : instruction_sets_here()) {
        CAPTURE(name(isa));
        check_equal(edges_of(isa, edges), edges_of(Isa::kPortable, edges));
        check_equal(nodes_of(isa, nodes), nodes_of(Isa::kPortable, nodes));
      }
    }
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
