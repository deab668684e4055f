#include <catch2/catch.hpp>
#include <limits>

#include "io/bytes.h"
#include "io/helpers.h"
#include "io/message.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

TEST_CASE("numbers are little-endian") {
  BoundedReader reader("\x01\x02\x03\xfe\xff\xff\xff\x80\x81\x82\x83\x84\x85\x86\x87\xff", "FILE");
  CHECK(reader.u8() == 1);
  CHECK(reader.u16() == 0x0302);
  CHECK(reader.i32() == -2);
  CHECK(reader.u64() == 0x8786858483828180);
  CHECK(reader.position() == 15);
  CHECK(reader.left() == 1);
  CHECK(BoundedReader("\xff\xff\xff\xff", "").u32() == 0xffffffff);
}

TEST_CASE("lines and views come without what ends them") {
  BoundedReader reader("one\n\nthree", "FILE");
  CHECK(reader.line() == "one");
  CHECK(reader.line().empty());
  CHECK(reader.take(5) == "three");
  CHECK(reader.left() == 0);
}

TEST_CASE("nothing is read beyond the end") {
  const auto read = [](auto how) {
    return input_error([&] {
      BoundedReader reader("abc", "FILE");
      reader.u8();
      how(reader);
    });
  };
  CHECK(read([](auto& r) { r.u32(); }) == "FILE: byte 1: needs 4 more bytes, 2 are left");
  CHECK_THAT(read([](auto& r) { r.take(3); }), Contains("needs 3 more bytes, 2 are left"));
  CHECK_THAT(read([](auto& r) { r.u64(); }), StartsWith("FILE: byte 1: "));
  CHECK_THAT(read([](auto& r) { r.line(); }), StartsWith("FILE: byte 1: "));
  CHECK_THAT(read([](auto& r) { r.take(std::numeric_limits<std::uint64_t>::max()); }),
             Contains("18446744073709551615") && Contains("2 are left"));
  CHECK(read([](auto& r) { r.u16(); }).empty());
}

TEST_CASE("names from a file are shown on one line") {
  CHECK(in_quotes("a\nb\x1b[0m\x7f\xff") == "'a\\x0ab\\x1b[0m\\x7f\\xff'");
  CHECK(in_quotes(std::string(1000, 'x')).size() == 85);
}
