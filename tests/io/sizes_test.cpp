#include "io/sizes.h"

#include <catch2/catch.hpp>
#include <vector>

using lorentznet::checked_product;
using lorentznet::kMaxElements;
using Sizes = std::vector<std::int64_t>;

TEST_CASE("a product of sizes is exact or nothing") {
  constexpr std::int64_t kBig = std::int64_t{1} << 32;
  CHECK(checked_product(Sizes{}) == 1);
  CHECK(checked_product(Sizes{3, 200, 4}) == 2400);
  CHECK(checked_product(Sizes{5, 0, 4}) == 0);
  CHECK(checked_product(Sizes{kMaxElements}) == kMaxElements);
  CHECK_FALSE(checked_product(Sizes{kMaxElements, 2}).has_value());
  CHECK_FALSE(checked_product(Sizes{kBig, kBig}).has_value());
  // A caller may also multiply the others.
  CHECK_FALSE(checked_product(Sizes{kBig, 0, kBig}).has_value());
  CHECK_FALSE(checked_product(Sizes{2, -1}).has_value());
  CHECK_FALSE(checked_product(Sizes{0, INT64_MIN}).has_value());
}
