// The fused edge kernel against the plain one: sums, gradients and running statistics.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "edge_case.h"
#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

/// Compares the kernel in float, on every instruction set of this processor, with plain in double.
void check_in_float(const EdgeCase& edges) {
  const auto same = in_double(edges);
  const auto expected = run(PlainEdgeKernel(), same);
  const auto tolerances = EdgeTrace(same).tolerances();
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    check_same(run(FusedEdgeKernel(isa), edges), expected, tolerances);
  }
}

void check_in_double(const EdgeCaseOptions& options) {
  const auto edges = random_edges(options, at::kDouble);
  check_same(run(FusedEdgeKernel(Isa::kPortable), edges), run(PlainEdgeKernel(), edges), 1e-10);
}

/// Calls check(options) with training and frozen statistics, in the last layer and before it.
template <typename Check>
void for_each_mode(EdgeCaseOptions options, Check check) {
  for (const bool training : {false, true}) {
    for (const bool last_layer : {false, true}) {
      options.training = training;
      options.last_layer = last_layer;
      CAPTURE(options.hidden, training, last_layer);
      check(options);
    }
  }
}

const std::vector<std::int64_t> kSizes{1, 2, 3, 15, 16, 17, 31, 33};

}  // namespace

TEST_CASE("fused edges: equal to plain in double, to 1e-10") {
  for (const std::int64_t hidden : {8, 13, 24, 72, 100}) {
    for_each_mode({.sizes = kSizes, .hidden = hidden}, check_in_double);
  }
  for_each_mode({.sizes = {2, 17, 64}, .hidden = 256}, check_in_double);
  for_each_mode({.sizes = {64, 199, 200}, .hidden = 13}, check_in_double);
}

TEST_CASE("fused edges: float agrees with plain in double up to float's rounding") {
  const auto check = [](const EdgeCaseOptions& options) {
    check_in_float(clear_of_kinks(options));
  };
  for (const std::int64_t hidden : {8, 13, 24, 72, 100}) {
    for_each_mode({.sizes = kSizes, .hidden = hidden}, check);
  }
  for_each_mode({.sizes = {1, 2, 3, 17}, .hidden = 256}, check);
  for_each_mode({.sizes = {64}, .hidden = 72}, check);
  for_each_mode({.sizes = {199}, .hidden = 8}, check);
  for_each_mode({.sizes = {200}, .hidden = 8}, check);
}

TEST_CASE("fused edges: clamped and free translations") {
  for (const bool training : {false, true}) {
    EdgeCaseOptions options{.sizes = kSizes, .hidden = 24, .training = training};
    options.move = 1;
    const auto free = random_edges(options, at::kDouble);
    CHECK(EdgeTrace(free).clamped_share() == 0);
    check_in_double(options);
    check_in_float(clear_of_kinks(options));
    options.move = 1e3;
    CHECK(EdgeTrace(random_edges(options, at::kDouble)).clamped_share() > 0.5);
    check_in_double(options);
    check_in_float(clear_of_kinks(options));
  }
}

TEST_CASE("fused edges: what is not kept is computed again, bit for bit") {
  for (const auto isa : instruction_sets_here()) {
    for_each_mode({.sizes = kSizes, .hidden = 24}, [&](const EdgeCaseOptions& options) {
      const auto edges = random_edges(options, at::kFloat);
      check_equal(run(FusedEdgeKernel(isa, 0), edges), run(FusedEdgeKernel(isa), edges));
    });
  }
}

TEST_CASE("fused edges: a batch without edges") {
  for (const auto type : {at::kFloat, at::kDouble}) {
    for_each_mode({.sizes = {1, 1}}, [&](const EdgeCaseOptions& options) {
      const auto edges = random_edges(options, type);
      for (const auto& [name, tensor] : run(FusedEdgeKernel(Isa::kPortable), edges)) {
        CAPTURE(name);
        if (name == "running_mean") {
          CHECK(at::equal(tensor, edges.parameters.edge_norm->running_mean));
        } else if (name == "running_var") {
          CHECK(at::equal(tensor, edges.parameters.edge_norm->running_var));
        } else {
          CHECK(at::equal(tensor, at::zeros_like(tensor)));
        }
      }
      CHECK(edges.parameters.edge_norm->num_batches_tracked.item<std::int64_t>() == 0);
    });
  }
}

TEST_CASE("fused edges: NaN spreads to every result that depends on it") {
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    const auto edges = random_edges({.sizes = {17}}, at::kFloat);
    edges.h[3][2] = NAN;
    for (const auto& [name, tensor] : run(FusedEdgeKernel(isa), edges)) {
      CAPTURE(name);
      if (name != "message" && name != "translation" && name != "h") continue;
      CHECK(tensor.isnan().any(1).all().item<bool>());
    }
  }
}

TEST_CASE("fused edges: the same bits for any number of threads and in every run") {
  std::vector<std::int64_t> sizes;  // more jets than groups
  for (std::int64_t jet = 0; jet < 80; ++jet) sizes.push_back(1 + 7 * jet % 40);
  for (const auto isa : instruction_sets_here()) {
    CAPTURE(name(isa));
    const auto edges = random_edges({.sizes = sizes, .hidden = 13, .training = true}, at::kFloat);
    check_with_threads([&] { return run(FusedEdgeKernel(isa), edges); });
  }
}
