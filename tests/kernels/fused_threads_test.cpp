// The fused kernels' bits do not depend on the number of threads.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "edge_case.h"
#include "kernels/fused_kernel.h"
#include "node_case.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("fused edges: the same bits for any number of threads, and run after run") {
  std::vector<std::int64_t> sizes;  // more jets than groups of jets
  for (std::int64_t jet = 0; jet < 80; ++jet) sizes.push_back(1 + 7 * jet % 40);
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    const auto edges = random_edges({.sizes = sizes, .hidden = 13, .training = true}, at::kFloat);
    check_with_threads([&] { return run(FusedEdgeKernel(isa), edges); });
  }
}

TEST_CASE("fused nodes: the same bits for any number of threads, and run after run") {
  for (const auto isa : instruction_sets_here()) {
    for (const std::int64_t rows : {40, 500, 5000}) {
      CAPTURE(name(isa), rows);
      const auto nodes = random_nodes({.rows = rows, .training = true, .ghost = 9}, at::kFloat);
      check_with_threads([&] { return run(FusedNodeKernel(isa), nodes); });
    }
  }
}
