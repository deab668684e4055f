// The fused edge kernel against the plain one: sums, gradients and running statistics.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <cmath>

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
  for (const std::int64_t hidden : {1, 4, 8, 13, 24, 72, 100}) {
    for_each_mode({.sizes = kSizes, .hidden = hidden}, check_in_double);
  }
  for_each_mode({.sizes = {2, 17, 64}, .hidden = 256}, check_in_double);
  for_each_mode({.sizes = {64, 199, 200}, .hidden = 13}, check_in_double);
}

TEST_CASE("fused edges: float agrees with plain in double up to float's rounding") {
  const auto check = [](const EdgeCaseOptions& options) {
    check_in_float(clear_of_kinks(options));
  };
  for (const std::int64_t hidden : {4, 8, 13, 24, 72, 100}) {
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

TEST_CASE("fused edges: relus that leave nothing, all, or a channel") {
  const auto check = [](const EdgeCaseOptions& options, double in, double out, bool one_channel) {
    CAPTURE(in, out, one_channel);
    auto edges = random_edges(options, at::kDouble);
    {
      const torch::NoGradGuard no_grad;
      edges.parameters.edge_norm->bias.add_(in);
      edges.parameters.edge_out->bias.add_(out);
      edges.parameters.gate->weight.mul_(0.1);  // a gate near 0 or 1 has a gradient of rounding
      if (one_channel) edges.parameters.edge_out->bias[-1] += 2 * std::abs(out);
    }
    check_same(run(FusedEdgeKernel(Isa::kPortable), edges), run(PlainEdgeKernel(), edges), 1e-10);
    auto in_float = random_edges(options, at::kFloat);
    {
      const torch::NoGradGuard no_grad;
      copy_values(named_parameters(edges.parameters), edges.parameters.edge_norm,
                  named_parameters(in_float.parameters), in_float.parameters.edge_norm);
    }
    check_in_float(in_float);
  };
  for (const std::int64_t hidden : {13, 72}) {
    for_each_mode({.sizes = kSizes, .hidden = hidden}, [&](const EdgeCaseOptions& options) {
      for (const double in : {-5., 5.}) {
        for (const double out : {-10., 10.}) check(options, in, out, false);
      }
      check(options, 5, -10, true);
    });
  }
}

TEST_CASE("fused edges: NaN and infinities give what plain gives") {
  const auto number = [](const at::Tensor& tensor) { return at::nan_to_num(tensor, 1, 2, 3); };
  for (const std::int64_t hidden : {13, 72}) {
    for (const double value : {double{NAN}, double{INFINITY}, -double{INFINITY}}) {
      for (const bool of_x : {false, true}) {
        auto edges = random_edges({.sizes = {3, 17}, .hidden = hidden}, at::kFloat);
        (of_x ? edges.x : edges.h)[7][2] = value;
        const auto expected = run(PlainEdgeKernel(), edges);
        for (const auto isa : instruction_sets_here()) {
          CAPTURE(hidden, value, of_x, name(isa));
          const auto found = run(FusedEdgeKernel(isa), edges);
          for (std::size_t k = 0; k < found.size(); ++k) {
            if (found[k].first != "message" && found[k].first != "translation") continue;
            const auto &tensor = found[k].second, other = expected[k].second;
            CAPTURE(found[k].first);
            CHECK(at::equal(tensor.isnan(), other.isnan()));
            CHECK(at::equal(tensor.isinf(), other.isinf()));
            CHECK(at::allclose(number(tensor), number(other), 1e-3, 1e-3));
            CHECK(tensor.isfinite().any().item<bool>());  // the other jet
          }
        }
      }
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
