#include "io/npz.h"

#include <catch2/catch.hpp>

#include "io/arrays.h"
#include "io/file.h"
#include "io/helpers.h"
#include "io/zip_bytes.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

NpzReader open_either() {
  return NpzReader(numpy_file(GENERATE(as<std::string>(), "stored.npz", "deflated.npz")));
}

/// All elements of an array, in C order.
std::vector<double> read_all(const NpzReader& npz, const char* name) {
  NpyRows rows = npz.rows(name);
  std::vector<double> values;
  rows.read(rows.num_rows(), values);
  return values;
}

}  // namespace

TEST_CASE("every element type becomes double") {
  const NpzReader npz = open_either();
  for (const char* name : {"f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1"}) {
    INFO(name);
    CHECK(read_all(npz, name) == std::vector<double>{0, 1, 100});
  }
  CHECK(read_all(npz, "b1") == std::vector<double>{0, 1, 1});
  CHECK(read_all(npz, "negative") == std::vector<double>{-1, -128});
  CHECK(read_all(npz, "big_endian") == std::vector<double>{1});
}

TEST_CASE("arrays come in C order, whatever the file's order, version and container") {
  const NpzReader npz = open_either();
  for (const char* name : {"cube", "cube_fortran", "cube_zip64", "version2", "version3"}) {
    INFO(name);
    CHECK(npz.header(name).shape == std::vector<std::int64_t>{2, 3, 4});
    CHECK(read_all(npz, name) == cube_values());
  }
  CHECK(npz.header("cube_fortran").fortran_order);
  CHECK(npz.header("scalar").shape.empty());
  CHECK(read_npz(npz.path(), "scalar").values == std::vector<double>{2.5});
  CHECK(read_all(npz, "empty").empty());
}

TEST_CASE("names and headers are there without reading the data") {
  const NpzReader npz = open_either();
  CHECK(npz.names().front() == "f8");
  CHECK(npz.names().size() == 23);
  CHECK(npz.has("cube"));
  CHECK_FALSE(npz.has("cube.npy"));
  const NpyHeader header = npz.header("cube");
  CHECK(header.descr == "<f8");
  CHECK(header.shape == std::vector<std::int64_t>{2, 3, 4});
  CHECK(header.data_offset == 128);
}

TEST_CASE("what can't be read names file and array") {
  const NpzReader npz = open_either();
  const auto error = [&](const char* name) { return input_error([&] { npz.rows(name); }); };
  CHECK_THAT(error("complex"),
             StartsWith(npz.path().string() + ": array 'complex': ") && Contains("'<c16'"));
  CHECK_THAT(error("records"), Contains("records"));
  CHECK_THAT(error("missing"), Contains("no entry 'missing.npy'"));
}

TEST_CASE("rows come block by block") {
  const NpzReader npz = open_either();
  NpyRows rows = npz.rows("long");
  REQUIRE(rows.num_rows() == 20000);
  REQUIRE(rows.row_size() == 2);
  const std::vector<double> whole = read_npz(npz.path(), "long").values;
  const std::int64_t block = GENERATE(1, 777, 20000, 1000000);
  std::vector<double> values(5, -1.0), joined;
  while (const std::int64_t count = rows.read(block, values)) {
    REQUIRE(count <= block);
    REQUIRE(values.size() == static_cast<std::size_t>(2 * count));
    joined.insert(joined.end(), values.begin(), values.end());
  }
  CHECK(values.empty());
  CHECK(joined == whole);
  CHECK(joined[39999] == 39999 % 251);
}

TEST_CASE("rows of arrays in Fortran order are those of C order") {
  const NpzReader npz = open_either();
  const std::int64_t block = GENERATE(1, 2, 5);
  NpyRows rows = npz.rows("cube_fortran");
  std::vector<double> values, joined;
  while (rows.read(block, values) > 0) joined.insert(joined.end(), values.begin(), values.end());
  CHECK(joined == cube_values());
}

TEST_CASE("arrays without rows are refused") {
  const NpzReader npz = open_either();
  CHECK_THAT(input_error([&] { npz.rows("scalar"); }), Contains("0 axes"));
  CHECK(npz.rows("empty").num_rows() == 0);
}

TEST_CASE("rows outlive their reader") {
  std::vector<double> values;
  NpyRows rows = NpzReader(numpy_file("deflated.npz")).rows("cube");
  CHECK(rows.read(1, values) == 1);
  auto expected = cube_values();
  expected.resize(12);
  CHECK(values == expected);
}

TEST_CASE("a truncated npz is refused") {
  const TemporaryFolder folder;
  const std::string whole = read_file(numpy_file("deflated.npz"), 1 << 20);
  const auto path = write_file(folder, "a.npz", whole.substr(0, whole.size() / 2));
  CHECK_THAT(input_error([&] { NpzReader reader(path); }), Contains("truncated zip archive"));
}

TEST_CASE("rows that end before the announced size are refused") {
  const TemporaryFolder folder;
  const std::vector<float> zeros(1000);
  const std::string npy = npy_bytes(zeros, std::vector<std::int64_t>{500, 2});
  ZipBytes entry("x.npy", npy.substr(0, npy.size() - 4));
  entry.size += 4;  // as the shape needs
  const auto path = write_file(folder, "a.npz", archive_bytes({entry}));
  NpyRows rows = NpzReader(path).rows("x");
  std::vector<double> values;
  CHECK_THAT(input_error([&] { rows.read(500, values); }), StartsWith(path.string() + ": "));
}

TEST_CASE("a flipped data byte is found by whole reads and by rows") {
  const TemporaryFolder folder;
  std::string npy = npy_bytes(std::vector<float>(1000), std::vector<std::int64_t>{500, 2});
  ZipBytes entry("x.npy", npy);
  entry.data[2000] ^= 1;
  const NpzReader npz(write_file(folder, "a.npz", archive_bytes({entry})));
  CHECK_THAT(input_error([&] { read_npz(npz.path(), "x"); }), Contains("CRC"));
  NpyRows rows = npz.rows("x");
  std::vector<double> values;
  CHECK(rows.read(400, values) == 400);  // the end, where the checksum is known, is not reached
  CHECK_THAT(input_error([&] { rows.read(400, values); }), Contains("CRC"));
}
