#include <H5Cpp.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "data/test_files.h"
#include "io/npy.h"
#include "lorentznet/readers.h"

using lorentznet::BadJetRule;
using lorentznet::JetSet;
using lorentznet::npy_bytes;
using lorentznet::read_jets;
using namespace lorentznet::test;

namespace {

using Shape = std::vector<std::int64_t>;

/// N jets of M = 3 columns; jet j has 1 + j % 3 particles of energy 10 + j, momentum (1, 2, 3).
struct OwnArrays {
  explicit OwnArrays(std::int64_t jets) : rows(jets), X(12 * jets), scalars(6 * jets) {
    for (std::int64_t jet = 0; jet < jets; ++jet) {
      for (std::int64_t column = 0; column <= jet % 3; ++column) {
        const double p4[] = {10. + static_cast<double>(jet), 1, 2, 3};
        std::copy_n(p4, 4, &X[12 * jet + 4 * column]);
        scalars[6 * jet + 2 * column] = static_cast<double>(jet);
        scalars[6 * jet + 2 * column + 1] = static_cast<double>(column);
      }
      y.push_back(static_cast<double>(jet % 3));
      weight.push_back(.5 + static_cast<double>(jet));
      id.push_back((std::int64_t{1} << 60) + jet);
    }
  }

  void write(const std::filesystem::path& file) const {
    const Shape jets{rows};
    write_npz(file, {{"X", npy_bytes(X, Shape{rows, 3, 4})},
                     {"scalars", npy_bytes(scalars, Shape{rows, 3, 2})},
                     {"y", npy_bytes(y, jets)},
                     {"weight", npy_bytes(weight, jets)},
                     {"id", npy_bytes(id, jets)}});
  }

  std::int64_t rows;
  std::vector<double> X, scalars, y, weight;
  std::vector<std::int64_t> id;
};

/// The error of reading these arrays.
std::string error_of(const OwnArrays& arrays, const BadJetRule& rule = {}) {
  const TemporaryFolder folder;
  arrays.write(folder / "own.npz");
  return input_error(folder / "own.npz", [&] { read_jets(folder / "own.npz", -1, rule); });
}

void write_hdf5(const std::filesystem::path& path, const OwnArrays& arrays) {
  const H5::H5File file(path.string(), H5F_ACC_TRUNC);
  const auto rows = static_cast<hsize_t>(arrays.rows);
  const auto put = [&](const char* name, std::vector<hsize_t> shape, const auto& values,
                       const H5::DataType& type) {
    const H5::DataSpace space(static_cast<int>(shape.size()), shape.data());
    file.createDataSet(name, type, space).write(values.data(), type);
  };
  put("X", {rows, 3, 4}, arrays.X, H5::PredType::NATIVE_DOUBLE);
  put("scalars", {rows, 3, 2}, arrays.scalars, H5::PredType::NATIVE_DOUBLE);
  put("y", {rows}, arrays.y, H5::PredType::NATIVE_DOUBLE);
  put("weight", {rows}, arrays.weight, H5::PredType::NATIVE_DOUBLE);
  put("id", {rows}, arrays.id, H5::PredType::NATIVE_INT64);
}

}  // namespace

TEST_CASE("a user's jets come with scalars, labels, weights and ids, from .npz and HDF5 alike") {
  const TemporaryFolder folder;
  const OwnArrays arrays(7);
  arrays.write(folder / "own.npz");
  write_hdf5(folder / "own.h5", arrays);
  const JetSet jets = read_jets(folder / "own.npz");
  REQUIRE(jets.num_jets() == 7);
  CHECK(jets.num_constituents() == 1 + 2 + 3 + 1 + 2 + 3 + 1);
  CHECK(jets.num_scalars() == 2);
  CHECK(jets.num_classes() == 3);
  CHECK(jets.has_labels());
  CHECK(jets.label == std::vector<std::int8_t>{0, 1, 2, 0, 1, 2, 0});
  CHECK(jets.weight == arrays.weight);
  CHECK(jets.id == arrays.id);
  CHECK(jets.p4[4 * jets.offsets[4]] == 14);
  CHECK(jets.scalars[2 * jets.offsets[5] + 4] == 5);
  CHECK(jets.scalars[2 * jets.offsets[5] + 5] == 2);
  check_same_jets(read_jets(folder / "own.h5"), jets);
  const JetSet two = jets.slice(4, 2);
  CHECK(two.id == std::vector<std::int64_t>{arrays.id[4], arrays.id[5]});
  CHECK(two.scalars[0] == 4);
  CHECK(two.weight[1] == 5.5);
}

TEST_CASE("a file of four-momenta alone has jets without labels") {
  const TemporaryFolder folder;
  const OwnArrays arrays(4);
  write_npz(folder / "own.npz", {{"X", npy_bytes(arrays.X, Shape{4, 3, 4})}});
  const JetSet jets = read_jets(folder / "own.npz");
  CHECK_FALSE(jets.has_labels());
  CHECK(jets.num_classes() == 0);
  CHECK(jets.num_scalars() == 0);
  CHECK(jets.label == std::vector<std::int8_t>(4, -1));
}

TEST_CASE("what is wrong with a user's jet is said") {
  const auto with = [](auto spoil) {
    OwnArrays arrays(5);
    spoil(arrays);
    return error_of(arrays);
  };
  CHECK_THAT(with([](OwnArrays& a) { a.X[24] = std::nan(""); }),
             Catch::Contains(": jet 2 (counted from 0): ") && Catch::Contains("not finite"));
  CHECK_THAT(with([](OwnArrays& a) { a.X[24] = 0; }), Catch::Contains("momentum but energy 0"));
  CHECK_THAT(with([](OwnArrays& a) { a.X[24] = 3; }), Catch::Contains("more momentum than energy"));
  CHECK_THAT(with([](OwnArrays& a) { a.X[24] = 1e13; }),
             Catch::Contains("is not between 1e-15 and 1e+12"));
  CHECK_THAT(with([](OwnArrays& a) { a.scalars[12] = std::nan(""); }),
             Catch::Contains("jet 2 ") && Catch::Contains("the scalar nan in column 0"));
  CHECK_THAT(with([](OwnArrays& a) { a.y[3] = 1.5; }),
             Catch::Contains("jet 3 ") && Catch::Contains("label 1.5"));
  CHECK_THAT(with([](OwnArrays& a) { a.y[3] = -1; }), Catch::Contains("label -1"));
  CHECK_THAT(with([](OwnArrays& a) { a.weight[4] = -2; }),
             Catch::Contains("jet 4 ") && Catch::Contains("weight -2"));
  CHECK_THAT(with([](OwnArrays& a) { a.y[4] = std::nan(""); }),
             Catch::Contains("jet 4 ") && Catch::Contains("label nan"));
}

TEST_CASE("arrays that do not fit together are refused") {
  const TemporaryFolder folder;
  const OwnArrays arrays(4);
  const auto file = folder / "own.npz";
  const auto error_with = [&](const char* name, const std::string& bytes) {
    write_npz(file, {{"X", npy_bytes(arrays.X, Shape{4, 3, 4})}, {name, bytes}});
    return input_error(file, [&] { read_jets(file); });
  };
  CHECK_THAT(error_with("y", npy_bytes(std::vector<double>(3), Shape{3})),
             Catch::Contains("array 'y' has shape [3] instead of [4]"));
  CHECK_THAT(error_with("weight", npy_bytes(std::vector<double>(4), Shape{4, 1})),
             Catch::Contains("array 'weight' has shape [4, 1] instead of [4]"));
  CHECK_THAT(error_with("id", npy_bytes(std::vector<std::int64_t>(5), Shape{5})),
             Catch::Contains("array 'id' has 5 elements, expected 4"));
  CHECK_THAT(error_with("id", npy_bytes(std::vector<double>(4), Shape{4})),
             Catch::Contains("array 'id'") && Catch::Contains("expected integers"));
  CHECK_THAT(error_with("scalars", npy_bytes(std::vector<double>(24), Shape{4, 2, 3})),
             Catch::Contains("array 'scalars' has shape [4, 2, 3] instead of [4, 3, scalars]"));
  write_npz(file, {{"jets", npy_bytes(arrays.X, Shape{4, 3, 4})}});
  CHECK_THAT(input_error(file, [&] { read_jets(file); }),
             Catch::Contains("no array 'X'; the file holds 'jets'"));
  // A name with a mistake would silently count for nothing.
  CHECK_THAT(error_with("weights", npy_bytes(std::vector<double>(4), Shape{4})),
             Catch::EndsWith("'weights' is not one of X, y, scalars, weight and id"));
}

TEST_CASE("sizes that no memory holds are refused, and never multiplied beyond int64") {
  const TemporaryFolder folder;
  const auto path = folder / "own.h5";
  const auto error_with = [&](const char* name, std::vector<hsize_t> shape,
                              const H5::DataType& type = H5::PredType::IEEE_F64LE) {
    write_hdf5(path, OwnArrays(4));
    {
      const H5::H5File file(path.string(), H5F_ACC_RDWR);
      file.unlink(name);
      H5::DSetCreatPropList list;  // chunks that were never written take no place in the file
      const std::vector<hsize_t> chunk(shape.size(), 1);
      list.setChunk(static_cast<int>(chunk.size()), chunk.data());
      file.createDataSet(name, type, H5::DataSpace(static_cast<int>(shape.size()), shape.data()),
                         list);
    }
    return input_error(path, [&] { read_jets(path); });
  };
  constexpr hsize_t kHuge = hsize_t{1} << 62;
  // The ids are read at once, so their number comes first.
  CHECK_THAT(error_with("id", {hsize_t{1} << 40}, H5::PredType::STD_I64LE),
             Catch::Contains("array 'id' has 1099511627776 elements, expected 4"));
  CHECK_THAT(error_with("scalars", {4, 3, kHuge}),
             Catch::Contains("data set 'scalars' has shape [4, 3, 4611686018427387904], expected"));
  CHECK_THAT(error_with("X", {kHuge, 3, 4}), Catch::Contains("data set 'X' has shape"));
  CHECK_THAT(error_with("y", {kHuge}),
             Catch::Contains("data set 'y' has shape [4611686018427387904], expected at most"));
  CHECK_THAT(error_with("scalars", {4, 3, hsize_t{1} << 55}),
             Catch::Contains("there is no memory for 432345564227567616 numbers"));
}

TEST_CASE("bad jets are skipped and listed, and the others keep their rows") {
  const TemporaryFolder folder;
  OwnArrays arrays(3000);
  arrays.X[12 * 1000] = -1;  // jet 1000: its first and, with it, its second of two particles
  arrays.y[1500] = 9.5;
  arrays.weight[2999] = -1;
  arrays.write(folder / "own.npz");
  const JetSet jets = read_jets(folder / "own.npz", -1, {.skip = true});
  REQUIRE(jets.num_jets() == 2997);
  REQUIRE(jets.skipped.size() == 3);
  CHECK_THAT(jets.skipped[0], Catch::Contains("own.npz: jet 1000 (counted from 0): energy -1 GeV"));
  CHECK_THAT(jets.skipped[1], Catch::Contains("jet 1500 "));
  CHECK_THAT(jets.skipped[2], Catch::Contains("jet 2999 "));
  CHECK_THAT(jets.describe(999), Catch::EndsWith("jet 999"));
  CHECK_THAT(jets.describe(1000), Catch::EndsWith("jet 1001"));
  CHECK_THAT(jets.describe(2996), Catch::EndsWith("jet 2998"));
  // Each jet is its row, in every column.
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    const auto row = jet + (jet >= 1000 ? 1 : 0) + (jet >= 1499 ? 1 : 0);
    REQUIRE(jets.id[jet] == arrays.id[row]);
    REQUIRE(jets.weight[jet] == arrays.weight[row]);
    REQUIRE(jets.multiplicity(jet) == 1 + row % 3);
    REQUIRE(jets.p4[4 * jets.offsets[jet]] == 10. + static_cast<double>(row));
    REQUIRE(jets.scalars[2 * jets.offsets[jet]] == static_cast<double>(row));
  }
  arrays.y[1501] = -7;
  CHECK_THAT(error_of(arrays, {.skip = true}),
             Catch::Contains("4 bad jets among the first 3000, more than 0.1 % of 3000"));
  CHECK_THAT(error_of(arrays), Catch::Contains("jet 1000 "));
}

TEST_CASE("rows of zeros count for nothing, wherever they are") {
  const TemporaryFolder folder;
  OwnArrays arrays(7);
  arrays.write(folder / "dense.npz");
  // Jets 1 and 4 have two particles of three: the second one moves to the last column.
  for (const std::int64_t jet : {1, 4}) {
    std::copy_n(&arrays.X[12 * jet + 4], 4, &arrays.X[12 * jet + 8]);
    std::copy_n(&arrays.scalars[6 * jet + 2], 2, &arrays.scalars[6 * jet + 4]);
    std::fill_n(&arrays.X[12 * jet + 4], 4, 0.0);
    std::fill_n(&arrays.scalars[6 * jet + 2], 2, 99.0);
  }
  arrays.write(folder / "holes.npz");
  const JetSet jets = read_jets(folder / "holes.npz");
  check_same_jets(jets, read_jets(folder / "dense.npz"));
  CHECK(jets.column == std::vector<std::int16_t>{0, 0, 1, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0});
}

TEST_CASE("odd labels are described in one line") {
  const auto with = [](std::vector<std::int8_t> labels) {
    JetSet jets;
    for (const auto label : labels) {
      jets.label.push_back(label);
      jets.offsets.push_back(0);
    }
    jets.sources = {{"a.npz", 0, 0}};
    return lorentznet::odd_labels(jets);
  };
  CHECK(with({0, 1, 1}).empty());
  CHECK(with({2, 0, 1}).empty());
  CHECK(with({}).empty());
  CHECK(with({-1, -1}).empty());  // an error of its own
  CHECK(with({0, 0}) == "a.npz: all jets have label 0, so there is nothing to tell apart");
  CHECK(with({1, 1}) == "a.npz: all jets have label 1, so there is nothing to tell apart");
  CHECK(with({0, 2, 4}) == "a.npz: labels up to 4 make 5 classes, but no jet has label 1, 3");
  CHECK(with({0, 100}) ==
        "a.npz: labels up to 100 make 101 classes, but no jet has label 1, 2, 3, 4, 5, ... (99 "
        "labels)");
}

TEST_CASE("weights are divided by their mean") {
  const TemporaryFolder folder;
  OwnArrays arrays(4);
  arrays.weight = {1, 2, 3, 2};
  arrays.write(folder / "own.npz");
  JetSet jets = read_jets(folder / "own.npz");
  const JetSet before = jets;
  normalize_weights(jets);
  CHECK(jets.weight == std::vector<double>{.5, 1, 1.5, 1});
  CHECK(before.weight == arrays.weight);  // the copy keeps its own
}
