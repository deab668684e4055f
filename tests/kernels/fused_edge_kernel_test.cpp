#include "kernels/fused_kernel.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "edge_case.h"
#include "golden.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

std::vector<std::pair<std::string, at::Tensor>> all_of(const EdgeResult& result) {
  auto tensors = result.gradients;
  tensors.insert(tensors.end(), result.statistics.begin(), result.statistics.end());
  tensors.emplace_back("message", result.message);
  tensors.emplace_back("gradient of h", result.h_gradient);
  tensors.emplace_back("gradient of x", result.x_gradient);
  if (result.translation.defined()) tensors.emplace_back("translation", result.translation);
  return tensors;
}

/// Every tensor within `tolerance` times its largest element.
void check_same(const EdgeResult& found, const EdgeResult& expected, double tolerance) {
  const auto a = all_of(found), b = all_of(expected);
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    const auto name = b[k].first;
    CAPTURE(name, max_difference(a[k].second, b[k].second), b[k].second.abs().max().item<double>());
    CHECK(agree(a[k].second, b[k].second, tolerance));
  }
}

}  // namespace

TEST_CASE("fused is plain in double, to 1e-10") {
  for (const bool training : {false, true}) {
    for (const bool last_layer : {false, true}) {
      for (const std::int64_t hidden : {8, 13, 24}) {
        CAPTURE(training, last_layer, hidden);
        const auto edges = random_edges({1, 2, 3, 4, 5, 7, 9, 15, 16, 17, 31, 33}, hidden,
                                        last_layer, training, at::kDouble, 30);
        check_same(run(FusedEdgeKernel(Isa::kPortable), edges), run(PlainEdgeKernel(), edges),
                   1e-10);
      }
    }
  }
}

const double tol = getenv("TOL") ? atof(getenv("TOL")) : 2e-5;
TEST_CASE("fused in float is plain in double, to float's rounding") {
  for (const auto isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
    if (!runs_here(isa)) continue;
    for (const bool training : {false, true}) {
      for (const bool last_layer : {false, true}) {
        for (const std::int64_t hidden : {8, 13, 24, 72, 100}) {
          CAPTURE(name(isa), training, last_layer, hidden);
          const auto edges = random_edges({1, 2, 3, 15, 16, 17, 31, 33, 64}, hidden, last_layer,
                                          training, at::kFloat, 30);
          check_same(run(FusedEdgeKernel(isa), edges), run(PlainEdgeKernel(), in_double(edges)),
                     tol);
        }
      }
    }
  }
}
