// Test cases that check_harness.py runs, some of which fail on purpose. Not a part of the tests.
#include <catch2/catch.hpp>

#include "support.h"

using lorentznet::test::skip;

TEST_CASE("passes") { CHECK(true); }

TEST_CASE("skips") { skip("a reason"); }

TEST_CASE("fails, then skips") {
  CHECK(false);
  skip("a reason");
}

TEST_CASE("skips, then fails") {
  skip("a reason");
  CHECK(false);
}

TEST_CASE("fails as often as the status of a skipped test") {
  for (int k = 0; k < 4; ++k) CHECK(k < 0);
}
