// What a program prints of an error.
#include "app/program.h"

#include <c10/util/Exception.h>

#include <catch2/catch.hpp>

#include "lorentznet/error.h"

using namespace lorentznet;

TEST_CASE("an error is printed in one line, with all of its reasons and no backtrace") {
  CHECK(line_of(InputError("a  file: wrong")) == "a  file: wrong");
  CHECK(line_of(std::runtime_error("first\n\n  second\nthird\n")) == "first second third");
  CHECK(line_of(InputError("a\x1b[31m\tb")) == R"(a\x1b[31m\x09b)");
  try {
    // As NCCL's errors are.
    TORCH_CHECK(false, "NCCL error, invalid usage\nLast error:\nDuplicate GPU detected : rank 1");
  } catch (const c10::Error& error) {
    CHECK(line_of(error) ==
          "NCCL error, invalid usage Last error: Duplicate GPU detected : rank 1");
  }
}
