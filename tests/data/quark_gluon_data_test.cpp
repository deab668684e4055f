#include <catch2/catch.hpp>
#include <fstream>
#include <stdexcept>

#include "data/test_files.h"
#include "io/npy.h"
#include "lorentznet/readers.h"

using lorentznet::JetSet;
using lorentznet::npy_bytes;
using lorentznet::read_quark_gluon_jets;
using namespace lorentznet::test;

namespace {

using Shape = std::vector<std::int64_t>;

std::string npy(const std::vector<double>& values, const Shape& shape) {
  return npy_bytes(std::span<const double>(values), shape);
}

/// X of `num_jets` jets [num_jets, width, 4] of one or more photons; pT tells jets apart.
std::vector<double> photon_jets(std::int64_t num_jets, std::int64_t width, double first_pt = 1) {
  std::vector<double> values(num_jets * width * 4);
  for (std::int64_t jet = 0; jet < num_jets; ++jet) {
    for (std::int64_t column = 0; column <= jet % width; ++column) {
      double* row = &values[4 * (jet * width + column)];
      row[0] = first_pt + static_cast<double>(jet);
      row[3] = 22;
    }
  }
  return values;
}

void write_jets(const std::filesystem::path& path, std::int64_t num_jets, std::int64_t width,
                double first_pt = 1) {
  std::vector<double> labels(num_jets);
  for (std::int64_t jet = 0; jet < num_jets; ++jet) labels[jet] = static_cast<double>(jet % 2);
  write_npz(path, {{"X", npy(photon_jets(num_jets, width, first_pt), {num_jets, width, 4})},
                   {"y", npy(labels, {num_jets})}});
}

}  // namespace

TEST_CASE("a quark/gluon file is read over several blocks") {
  const TemporaryFolder folder;
  const auto file = folder / "QG_jets.npz";
  write_jets(file, 3000, 100);  // a block has 2621 rows
  const JetSet jets = read_quark_gluon_jets(file);
  CHECK(jets.num_jets() == 3000);
  CHECK(jets.multiplicity(2999) == 100);
  CHECK(jets.p4[4 * jets.offsets[2999]] == 3000);
  CHECK(jets.label[2999] == 1);
  CHECK(jets.column.back() == 99);
  CHECK(jets.species.back() == 2);
  CHECK(jets.describe(2999) == file.string() + ": jet 2999");
  check_same_jets(read_quark_gluon_jets(file, 2700), jets.slice(0, 2700));
  check_same_jets(read_quark_gluon_jets(file, 9999), jets);
  CHECK(read_quark_gluon_jets(file, 0).num_jets() == 0);
  CHECK_THROWS_AS(read_quark_gluon_jets(file, -2), std::invalid_argument);
}

TEST_CASE("files that are not quark/gluon data are refused with the reason") {
  const TemporaryFolder folder;
  const auto file = folder / "QG_jets.npz";
  const auto error = [&] { return input_error(file, [&] { read_quark_gluon_jets(file); }); };
  const std::string jets = npy(photon_jets(2, 3), {2, 3, 4});
  const std::string labels = npy({0, 1}, {2});

  error();  // no such file
  std::ofstream(file) << "not a zip";
  error();
  write_jets(file, 20, 3);
  truncate_file(file);
  error();
  write_npz(file, {{"X", jets}, {"Y", labels}});  // perhaps misspelt
  CHECK_THAT(error(), Catch::Contains("no array 'y'; the file holds 'X', 'Y'"));
  write_npz(file, {{"y", labels}});
  CHECK_THAT(error(), Catch::Contains("no array 'X'; the file holds 'y'"));
  write_npz(file, {{"X", npy(photon_jets(2, 3), {2, 12})}, {"y", labels}});
  CHECK_THAT(error(), Catch::Contains("'X' has shape [2, 12] instead of [jets, particles, 4]"));
  write_npz(file, {{"X", npy(photon_jets(2, 3), {2, 4, 3})}, {"y", labels}});
  CHECK_THAT(error(), Catch::Contains("'X' has shape [2, 4, 3] instead of"));
  write_npz(file, {{"X", jets}, {"y", npy({0, 1, 1}, {3})}});
  CHECK_THAT(error(), Catch::Contains("'y' has shape [3] instead of [2]"));
  write_npz(file, {{"X", jets}, {"y", npy({0, 1}, {2, 1})}});
  CHECK_THAT(error(), Catch::Contains("'y' has shape [2, 1] instead of [2]"));
  write_npz(file, {{"X", npy({}, {0, 3, 4})}, {"y", npy({}, {0})}});
  CHECK_THAT(error(), Catch::Contains("no jets"));
  write_npz(file, {{"X", jets}, {"y", npy({0, 3}, {2})}});
  CHECK_THAT(error(), Catch::Contains(": jet 1 (counted from 0): label 3 is neither 0 nor 1"));
  std::string integers = jets;
  integers.replace(integers.find("<f8"), 3, "<i8");
  write_npz(file, {{"X", integers}, {"y", labels}});
  CHECK_THAT(error(),
             Catch::Contains("array 'X' has elements of type i8, expected floating-point numbers"));
}

TEST_CASE("a quark/gluon file of particles alone has jets without labels") {
  const TemporaryFolder folder;
  write_npz(folder / "bare.npz", {{"X", npy(photon_jets(3, 2), {3, 2, 4})}});
  const JetSet jets = read_quark_gluon_jets(folder / "bare.npz");
  CHECK(jets.label == std::vector<std::int8_t>(3, -1));
  CHECK_FALSE(jets.has_labels());
  write_jets(folder / "labelled.npz", 3, 2);
  CHECK(jets.p4 == read_quark_gluon_jets(folder / "labelled.npz").p4);
}

TEST_CASE("quark/gluon files are found by number") {
  const TemporaryFolder folder;
  const auto find = [&] { return lorentznet::find_quark_gluon_files(folder.path()); };
  const auto datasets = folder / "datasets";
  CHECK_THAT(input_error(datasets, find), Catch::Contains("cannot list this folder"));
  std::filesystem::create_directory(datasets);
  CHECK_THAT(input_error(datasets, find), Catch::Contains("there is no such file at all"));
  for (const char* name : {"QG_jets_withbc.npz", "QG_jets_01.npz", "QG_jets_.npz", "QG_jets_1.txt",
                           "QG_jets_1x.npz", "QG_jets_-1.npz"}) {
    std::ofstream{datasets / name};
  }
  CHECK_THAT(input_error(datasets, find),
             Catch::Contains("neither QG_jets.npz nor QG_jets_1.npz") &&
                 Catch::Contains("there is QG_jets_-1.npz, QG_jets_.npz, QG_jets_01.npz"));
  for (const char* name : {"QG_jets_10.npz", "QG_jets_2.npz", "QG_jets.npz"}) {
    std::ofstream{datasets / name};
  }
  CHECK(find() == std::vector{datasets / "QG_jets.npz", datasets / "QG_jets_2.npz",
                              datasets / "QG_jets_10.npz"});
}

TEST_CASE("files of the other published sets are found, one set at a time") {
  const TemporaryFolder folder;
  const auto datasets = folder / "datasets";
  std::filesystem::create_directory(datasets);
  const auto put = [&](const char* name) { std::ofstream{datasets / name}; };
  const auto set = [&] { return lorentznet::quark_gluon_set(folder.path()); };
  CHECK(set().empty());
  put("QG_jets_herwig_10.npz");
  put("QG_jets_herwig_0.npz");
  CHECK(set() == "qg-herwig");
  CHECK(lorentznet::find_quark_gluon_files(folder.path()) ==
        std::vector{datasets / "QG_jets_herwig_0.npz", datasets / "QG_jets_herwig_10.npz"});
  put("QG_jets_herwig_withbc_0.npz");
  CHECK_THAT(input_error(datasets, [&] { set(); }),
             Catch::Contains("qg-herwig and of qg-herwig-bc"));
  put("QG_jets_1.npz");  // Pythia's come first, as in the published program
  CHECK(set() == "qg-pythia");
  CHECK(lorentznet::find_quark_gluon_files(folder.path()) ==
        std::vector{datasets / "QG_jets_1.npz"});
}

TEST_CASE("quark/gluon files are read one after the other up to max_jets") {
  const TemporaryFolder folder;
  const std::vector files = {folder / "QG_jets.npz", folder / "QG_jets_1.npz"};
  write_jets(files[0], 4, 5);
  write_jets(files[1], 3, 2, 100);  // widths differ from file to file
  const JetSet all = lorentznet::read_quark_gluon_files(files);
  CHECK(all.num_jets() == 7);
  CHECK(all.p4[4 * all.offsets[4]] == 100);
  CHECK(all.describe(5) == files[1].string() + ": jet 1");
  check_same_jets(lorentznet::read_quark_gluon_files(files, 5), all.slice(0, 5));
  check_same_jets(lorentznet::read_quark_gluon_files(files, 4), all.slice(0, 4));
  std::filesystem::remove(files[1]);
  CHECK(lorentznet::read_quark_gluon_files(files, 4).num_jets() == 4);
  CHECK_THROWS_AS(lorentznet::read_quark_gluon_files({}), std::invalid_argument);
}

TEST_CASE("splits are made by position: train, test, val") {
  const TemporaryFolder folder;
  const auto file = folder / "QG_jets.npz";
  write_jets(file, 29, 1);
  const JetSet all = read_quark_gluon_jets(file);
  const auto splits = lorentznet::split_by_position(all);
  check_same_jets(splits.train, all.slice(0, 23));
  check_same_jets(splits.test, all.slice(23, 2));
  check_same_jets(splits.val, all.slice(27, 2));
  CHECK(splits.val.describe(0) == file.string() + ": jet 27");

  const auto few = lorentznet::split_by_position(all.slice(0, 9));
  CHECK(few.train.num_jets() == 7);
  CHECK(few.test.num_jets() == 0);
  CHECK(few.val.num_jets() == 0);
}

TEST_CASE("split sizes are those of Python's int(.8 * N) and int(.1 * N)") {
  for (std::int64_t num_jets = 0; num_jets < 200000; ++num_jets) {
    const double jets = static_cast<double>(num_jets);
    if (num_jets * 8 / 10 != static_cast<std::int64_t>(.8 * jets) ||
        num_jets / 10 != static_cast<std::int64_t>(.1 * jets)) {
      FAIL("they differ at " << num_jets);
    }
  }
}
