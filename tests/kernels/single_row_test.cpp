// Batch norm of a single row.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "golden.h"
#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"
#include "node_case.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("a single row has no variance: its training leaves the running statistics as they are") {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const auto nodes = random_nodes({.rows = 1, .hidden = 12, .training = true}, type);
    const auto plain = run(PlainNodeKernel(), nodes);
    const auto fused = run(FusedNodeKernel(Isa::kPortable), nodes);
    REQUIRE(plain[0].first == "result");
    CHECK(agree(fused[0].second, plain[0].second, type == at::kFloat ? 1e-5 : 1e-10));
    for (const auto& results : {plain, fused}) {
      for (const auto& [name, tensor] : results) {
        CAPTURE(name);
        CHECK(at::isfinite(tensor).all().item<bool>());
        if (name == "running_mean") {
          CHECK(at::equal(tensor, nodes.parameters.node_norm->running_mean));
        } else if (name == "running_var") {
          CHECK(at::equal(tensor, nodes.parameters.node_norm->running_var));
        }
      }
    }
  }
}
