// The comparisons that the tests use: with a value that is not a number, none of them holds.
#include <ATen/ops/full.h>

#include <array>
#include <catch2/catch.hpp>
#include <limits>

#include "golden.h"
#include "support.h"

using namespace lorentznet::test;

TEST_CASE("differences of what is not finite are neither small nor large") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity}) {
    CAPTURE(value);
    const auto one = at::full({3}, 1.0, at::kDouble);
    auto other = one.clone();
    other[1] = value;
    for (const auto& [a, b] : {std::pair(one, other), {other, one}, {other, other}}) {
      CHECK_FALSE(max_difference(a, b) > 0);
      CHECK_FALSE(max_difference(a, b) <= kInfinity);
      CHECK_FALSE(agree(a, b, 1e9));
    }
    const std::array<double, 3> numbers{1, 1, 1}, with_value{1, value, 1};
    CHECK_FALSE(largest_difference(numbers, with_value) > 0);
    CHECK_FALSE(largest_difference(numbers, with_value) <= kInfinity);
    CHECK_FALSE(largest_difference(with_value, with_value) <= kInfinity);
  }
  CHECK(max_difference(at::full({3}, 1.0), at::full({3}, 3.0)) == 2);
  CHECK(largest_difference(std::array{1., 5.}, std::array{1., 2.}) == 3);
  CHECK_FALSE(largest_difference(std::array{1., 5.}, std::array{1.}) <= kInfinity);
}
