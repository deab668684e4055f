#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "data/test_files.h"
#include "data/top_writer.h"
#include "lorentznet/readers.h"

using lorentznet::JetSet;
using lorentznet::read_jets;
using namespace lorentznet::test;

TEST_CASE("top jets are the columns with energy, in the order of the file") {
  PaddedJets padded{2, 4, std::vector<double>(32), {1, 0, -1, 0, 0, 0, 0, 1}, {1, 0}};
  const double first[] = {5, 1, 2, 3};
  const double second[] = {1.4142135623730951, 0, 0, 1};
  const double third[] = {0.1, -1e-3, 0, 1e-30};
  std::copy_n(first, 4, padded.particle(0, 0));
  std::copy_n(second, 4, padded.particle(0, 2));
  std::copy_n(third, 4, padded.particle(1, 3));
  const TemporaryFolder folder;
  write_converted(folder / "two.h5", padded);

  const JetSet jets = read_jets(folder / "two.h5");
  CHECK(jets.offsets == std::vector<std::int64_t>{0, 2, 3});
  CHECK(jets.p4 ==
        std::vector<double>{5, 1, 2, 3, 1.4142135623730951, 0, 0, 1, 0.1, -1e-3, 0, 1e-30});
  CHECK(jets.column == std::vector<std::int16_t>{0, 1, 0});
  CHECK(jets.label == std::vector<std::int8_t>{1, 0});
  CHECK(jets.species.empty());
  CHECK(jets.describe(1) == (folder / "two.h5").string() + ": jet 1");
}

TEST_CASE("both layouts of the same jets give the same bits, however they are stored") {
  // 2500 jets: more than a block, and chunks that do not end where blocks do.
  const PaddedJets padded = make_padded_jets(2500, 30);
  const TemporaryFolder folder;
  write_converted(folder / "converted.h5", padded);
  const JetSet jets = read_jets(folder / "converted.h5");
  CHECK(jets.num_jets() == 2500);
  CHECK(jets.label[2499] == 1);
  CHECK(*std::max_element(jets.column.begin(), jets.column.end()) > 20);

  write_converted(folder / "float.h5", padded, H5::PredType::IEEE_F32LE, Compression::kNone);
  check_same_jets(read_jets(folder / "float.h5"), jets);
  write_raw(folder / "raw.h5", padded);
  check_same_jets(read_jets(folder / "raw.h5"), jets);
  write_raw(folder / "raw_gzip.h5", padded, Compression::kGzip);
  check_same_jets(read_jets(folder / "raw_gzip.h5"), jets);

  // A block of jets gives what stands in the padded arrays.
  const std::int64_t row = 2100;
  std::vector<double> expected;
  for (std::int64_t column = 0; column < padded.width; ++column) {
    const double* p4 = &padded.p4[4 * (row * padded.width + column)];
    if (p4[0] != 0) expected.insert(expected.end(), p4, p4 + 4);
  }
  CHECK(jets.slice(row, 1).p4 == expected);
}

TEST_CASE("the published width of 200 is read in both layouts") {
  const PaddedJets padded = make_padded_jets(20);
  const TemporaryFolder folder;
  write_converted(folder / "converted.h5", padded);
  write_raw(folder / "raw.h5", padded);
  check_same_jets(read_jets(folder / "raw.h5"), read_jets(folder / "converted.h5"));
}

TEST_CASE("blosc files are read where the plugin is, else the error names its package") {
  const PaddedJets padded = make_padded_jets(50, 10);
  const TemporaryFolder folder;
  const auto file = folder / "raw.h5";
  write_raw(file, padded, Compression::kBlosc);
  if (H5Zfilter_avail(32001) > 0) {
    write_converted(folder / "converted.h5", padded);
    check_same_jets(read_jets(file), read_jets(folder / "converted.h5"));
  } else {
    CHECK_THAT(input_error(file, [&] { read_jets(file); }),
               Catch::Contains("hdf5-filter-plugin-blosc-serial"));
  }
  write_raw(file, padded, Compression::kUnknown);
  CHECK_THAT(input_error(file, [&] { read_jets(file); }), Catch::Contains("filter 40001"));
}

TEST_CASE("max_jets takes the first jets of a file") {
  const TemporaryFolder folder;
  const auto file = folder / "jets.h5";
  write_converted(file, make_padded_jets(2100, 5));
  const JetSet all = read_jets(file);
  check_same_jets(read_jets(file, 2060), all.slice(0, 2060));
  check_same_jets(read_jets(file, 3), all.slice(0, 3));
  CHECK(read_jets(file, 0).num_jets() == 0);
  check_same_jets(read_jets(file, 5000), all);
  CHECK_THROWS_AS(read_jets(file, -2), std::invalid_argument);
}
