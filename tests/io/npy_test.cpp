#include "io/npy.h"

#include <array>
#include <catch2/catch.hpp>

#include "io/arrays.h"
#include "io/file.h"
#include "io/helpers.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

// A file of version 1 with this dictionary and `data_bytes` zeros.
std::string npy_file(const std::string& dictionary, std::size_t data_bytes) {
  std::string file = "\x93NUMPY\x01";
  file += {'\0', static_cast<char>(dictionary.size()), '\0'};
  return file + dictionary + std::string(data_bytes, '\0');
}

// The message of reading a .npy file of these bytes.
std::string error_of(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.npy", bytes);
  return input_error_naming(path, [&] { read_npy(path); });
}

std::string error_of_shape(const std::string& shape, std::size_t data_bytes) {
  return error_of(
      npy_file("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}", data_bytes));
}

}  // namespace

TEST_CASE("arrays are written byte for byte as numpy writes them") {
  const auto file = [](const char* name) { return read_file(numpy_file(name), 1 << 20); };
  using Shape = std::vector<std::int64_t>;
  const std::vector<float> row{0.5f, -1.25f, 3.0f};
  CHECK(npy_bytes(row, Shape{1, 3}) == file("f4_1x3.npy"));
  CHECK(npy_bytes(std::vector<double>{2.5}, Shape{}) == file("f8_scalar.npy"));
  CHECK(npy_bytes(cube_values(), Shape{2, 3, 4}) == file("f8_cube.npy"));
  const Shape no_room{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10, 10};
  CHECK(npy_bytes(std::vector<float>{}, no_room) == file("f4_padded.npy"));
  CHECK_THROWS_AS(npy_bytes(row, Shape{2, 3}), std::invalid_argument);
}

TEST_CASE("numpy's files are read back") {
  const NpyArray cube = read_npy(numpy_file("f8_cube.npy"));
  CHECK(cube.shape == std::vector<std::int64_t>{2, 3, 4});
  CHECK(cube.values == cube_values());
  CHECK(read_npy(numpy_file("f8_scalar.npy")).values == std::vector<double>{2.5});
  CHECK(read_npy(numpy_file("f4_1x3.npy")).values == std::vector<double>{0.5, -1.25, 3.0});
  CHECK(read_npy(numpy_file("f4_padded.npy")).values.empty());
}

TEST_CASE("every type is read in either byte order") {
  const std::string negative(7, '\xff'), zeros(7, '\0');
  for (const char* kind : {"f8", "f4", "i8", "i4", "i2", "u8", "u4", "u2"}) {
    INFO(kind);
    const auto size = static_cast<std::size_t>(kind[1] - '0');
    std::string little = zeros.substr(0, size - 1);  // of the number 2, or -2
    std::string big;
    double expected = 2;
    if (kind[0] == 'f') {
      little.back() = '\0';
      little += '\x40';  // 0x4000...: 2 in both formats
    } else if (kind[0] == 'u') {
      little = '\2' + little;
    } else {
      little = '\xfe' + negative.substr(0, size - 1);
      expected = -2;
    }
    big.assign(little.rbegin(), little.rend());
    std::vector<double> value(1);
    npy_to_double(std::string("<") + kind, little, value);
    CHECK(value[0] == expected);
    npy_to_double(std::string(">") + kind, big, value);
    CHECK(value[0] == expected);
    if (kind[0] == 'f') continue;
    std::vector<std::int64_t> integer(1);
    npy_to_int64(std::string(">") + kind, big, integer, "FILE");
    CHECK(integer[0] == static_cast<std::int64_t>(expected));
  }
  const std::string large = "\x80" + zeros;  // 2^63, big-endian
  std::vector<std::int64_t> integer(1);
  CHECK_THAT(input_error([&] { npy_to_int64(">u8", large, integer, "FILE"); }),
             Contains("integers of 2^63 or more"));
}

TEST_CASE("a header may come in any spelling that Python allows") {
  for (const char* text :
       {"{'shape':(2,3),'fortran_order':True,\"descr\":\"<f4\"}",
        "{ 'descr' : '<f4' , 'fortran_order' : True , 'shape' : ( 2L , 3L, ) , }",
        "{'fortran_order': True, 'descr': '<f4', 'shape': (2, 3)}   \n"}) {
    const NpyHeader header = parse_npy_dictionary(text, "FILE");
    CHECK(header.descr == "<f4");
    CHECK(header.fortran_order);
    CHECK(header.shape == std::vector<std::int64_t>{2, 3});
    CHECK(header.element_count() == 6);
    CHECK(header.row_size() == 3);
    CHECK(header.item_size() == 4);
  }
}

TEST_CASE("a header that is no such dictionary is refused") {
  for (const char* text :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr' '<f4'}", "{'descr': '<f4}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
        "{'descr': '<f4', 'fortran_order': false, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}"}) {
    INFO(text);
    CHECK_THAT(input_error([&] { parse_npy_dictionary(text, "FILE"); }), StartsWith("FILE: "));
  }
}

TEST_CASE("magic, version and length of a file are checked") {
  const std::string good = read_file(numpy_file("f8_cube.npy"), 1 << 20);
  REQUIRE(error_of(good).empty());
  CHECK_THAT(error_of("PK\x03\x04 something"), Contains("is not a .npy array"));
  CHECK_THAT(error_of(""), Contains("ends in its .npy header"));
  std::string bytes = good;
  bytes[6] = 4;
  CHECK_THAT(error_of(bytes), Contains("version 4, expected 1 to 3"));
  bytes[6] = 2;  // takes 4 bytes for the length: two of the dictionary are among them
  CHECK_THAT(error_of(bytes), Contains("expected at most 65536"));
  CHECK_THAT(error_of(good + "x"), Contains("has 193 bytes of data, expected 192"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(error_of(good.substr(0, size)).empty());
  }
}

TEST_CASE("a shape that can't be is refused before anything is allocated") {
  REQUIRE(error_of_shape("(2, 3)", 48).empty());
  REQUIRE(error_of_shape("(0, 3)", 0).empty());
  CHECK_THAT(error_of_shape("(2, 4)", 48), Contains("48 bytes of data, expected 64"));
  CHECK_THAT(error_of_shape("(4294967296, 4294967296)", 0), Contains("(4294967296, 4294967296)"));
  CHECK_THAT(error_of_shape("(0, 4294967296, 4294967296)", 0), Contains("expected at most"));
  CHECK_THAT(error_of_shape("(1152921504606846975,)", 48),
             Contains("expected 9223372036854775800"));
  std::string axes;
  for (int i = 0; i < 65; ++i) axes += "1,";
  CHECK_THAT(error_of_shape("(" + axes.substr(0, 70) + ")", 8), !Contains("axes"));
  CHECK_THAT(error_of_shape("(" + axes + ")", 8), Contains("more axes than 64"));
}
