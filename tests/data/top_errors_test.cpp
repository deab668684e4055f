#include <catch2/catch.hpp>
#include <fstream>
#include <limits>

#include "data/test_files.h"
#include "data/top_writer.h"
#include "lorentznet/readers.h"

using lorentznet::read_jets;
using namespace lorentznet::test;

namespace {

struct BadJet {
  const char* reason;
  void (*spoil)(PaddedJets&);
};

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Faults that both layouts can have, in jet 2; column 0 of every jet has a particle.
const BadJet bad_jets[] = {
    {"four-momentum (nan, ", [](PaddedJets& jets) { jets.particle(2, 0)[0] = nan_value; }},
    {"is not finite", [](PaddedJets& jets) { jets.particle(2, 0)[3] = infinity; }},
    {"energy -3 GeV in column 0 is not positive",
     [](PaddedJets& jets) { jets.particle(2, 0)[0] = -3; }},
    {"label 2 is neither 0 nor 1", [](PaddedJets& jets) { jets.is_signal[2] = 2; }},
    {"label -1 is neither 0 nor 1", [](PaddedJets& jets) { jets.is_signal[2] = -1; }},
    {"no particles",
     [](PaddedJets& jets) {
       std::fill_n(jets.particle(2, 0), 4 * jets.width, 0.0);
       std::fill_n(&jets.present[2 * jets.width], jets.width, 0);
     }},
    {"column 4 has a momentum but energy 0",
     [](PaddedJets& jets) {
       std::fill_n(jets.particle(2, 4), 4, 0.0);
       jets.particle(2, 4)[1] = nan_value;
       jets.present[2 * jets.width + 4] = 0;
     }},
};

/// The error of reading a file with 4 jets that `spoil_file` has changed.
std::string error_after(void (*spoil_file)(const std::filesystem::path&)) {
  const TemporaryFolder folder;
  const auto file = folder / "train.h5";
  write_converted(file, make_padded_jets(4, 5));
  spoil_file(file);
  return input_error(file, [&] { read_jets(file); });
}

/// The error of reading these jets from a file of the converted layout.
std::string error_of(const PaddedJets& jets) {
  const TemporaryFolder folder;
  const auto file = folder / "train.h5";
  write_converted(file, jets);
  return input_error(file, [&] { read_jets(file); });
}

}  // namespace

TEST_CASE("a bad top jet is named, in both layouts") {
  const BadJet bad = GENERATE(from_range(std::begin(bad_jets), std::end(bad_jets)));
  INFO(bad.reason);
  const TemporaryFolder folder;
  const auto file = folder / "train.h5";
  PaddedJets jets = make_padded_jets(4, 5);
  bad.spoil(jets);
  const auto jet = Catch::Contains(": jet 2 (counted from 0): ");
  write_converted(file, jets);
  CHECK_THAT(input_error(file, [&] { read_jets(file); }), jet && Catch::Contains(bad.reason));
  write_raw(file, jets);
  CHECK_THAT(input_error(file, [&] { read_jets(file); }), jet && Catch::Contains(bad.reason));
  CHECK(read_jets(file, 2).num_jets() == 2);
}

TEST_CASE("a label that contradicts the energy is refused, either way") {
  PaddedJets jets = make_padded_jets(4, 5);
  jets.present[15] = 0;
  CHECK_THAT(error_of(jets),
             Catch::Contains("jet 3 (counted from 0): column 0 has label 0 but energy "));
  jets = make_padded_jets(4, 5);
  std::fill_n(jets.particle(3, 0), 4, 0.0);
  CHECK_THAT(error_of(jets),
             Catch::Contains("jet 3 (counted from 0): column 0 has label 1 but energy 0 GeV"));
}

TEST_CASE("a jet beyond the first block is counted from the start of the file") {
  PaddedJets jets = make_padded_jets(3000, 3);
  jets.is_signal[2999] = 7;
  CHECK_THAT(error_of(jets), Catch::Contains(": jet 2999 "));
}

TEST_CASE("files that are not top data are refused with the reason") {
  CHECK_THAT(error_after([](const auto& file) { std::filesystem::remove(file); }),
             Catch::Contains("no such file"));
  CHECK_THAT(error_after([](const auto& file) { truncate_file(file); }),
             Catch::Contains("truncated file"));
  CHECK_THAT(error_after([](const auto& file) { std::ofstream(file) << "E,PX,PY,PZ\n"; }),
             Catch::Contains("not an HDF5 file"));
  CHECK_THAT(error_after([](const auto& file) { std::ofstream{file}; }),
             Catch::Contains("not an HDF5 file"));
  CHECK_THAT(error_after([](const auto& file) {
               std::filesystem::remove(file);
               std::filesystem::create_directory(file);
             }),
             Catch::Contains("not a file"));
  CHECK_THAT(error_after([](const auto& file) { H5::H5File(file.string(), H5F_ACC_TRUNC); }),
             Catch::Contains("nor the table /table/table; the file holds nothing"));
}

TEST_CASE("wrong data sets of the converted layout are refused") {
  const char* name = GENERATE("Nobj", "Pmu", "label", "is_signal");
  const TemporaryFolder folder;
  const auto file = folder / "train.h5";
  const std::string in_quotes = "'" + std::string(name) + "'";
  const auto error = [&] { return input_error(file, [&] { read_jets(file); }); };

  write_converted(file, make_padded_jets(4, 5));
  remove_dataset(file, name);
  CHECK_THAT(error(), Catch::Contains("no data set " + in_quotes));
  put_zeros(file, name, {3, 5, 5}, H5::PredType::IEEE_F64LE);
  CHECK_THAT(error(), Catch::Contains("data set " + in_quotes));
  H5::H5File(file.string(), H5F_ACC_RDWR).unlink(name);
  H5::H5File(file.string(), H5F_ACC_RDWR).createGroup(name);
  CHECK_THAT(error(), Catch::Contains("data set " + in_quotes + " is not a data set"));
}

TEST_CASE("shapes and types of the converted layout are compared") {
  CHECK_THAT(error_after([](const auto& file) {
               put_zeros(file, "label", {4, 6});
             }),
             Catch::Contains("data set 'label' has shape [4, 6] instead of [4, 5]"));
  CHECK_THAT(error_after([](const auto& file) { put_zeros(file, "is_signal", {3}); }),
             Catch::Contains("data set 'is_signal' has shape [3] instead of [4]"));
  CHECK_THAT(error_after([](const auto& file) { put_zeros(file, "Nobj", {5}); }),
             Catch::Contains("data set 'Nobj' has shape [5] instead of [4]"));
  CHECK_THAT(error_after([](const auto& file) {
               put_zeros(file, "Pmu", {4, 5, 3}, H5::PredType::IEEE_F64LE);
             }),
             Catch::Contains("data set 'Pmu' has shape [4, 5, 3] instead of [jets, particles, 4]"));
  CHECK_THAT(error_after([](const auto& file) {
               put_zeros(file, "Pmu", {4, 5, 4});
             }),
             Catch::Contains("data set 'Pmu' does not hold floating-point numbers"));
  CHECK_THAT(error_after([](const auto& file) {
               put_zeros(file, "is_signal", {4}, H5::PredType::IEEE_F32LE);
             }),
             Catch::Contains("data set 'is_signal' does not hold integers"));
}

TEST_CASE("a table of another make is refused") {
  CHECK_THAT(error_after([](const auto& file) {
               H5::H5File(file.string(), H5F_ACC_TRUNC).createGroup("table");
               put_zeros(file, "table/table", {4});
             }),
             Catch::Contains("data set 'table/table' is not a table"));
  CHECK_THAT(error_after([](const auto& file) {
               H5::H5File(file.string(), H5F_ACC_TRUNC).createGroup("table");
               H5::CompType row(std::size_t{8});
               row.insertMember("index", 0, H5::PredType::STD_I64LE);
               put_zeros(file, "table/table", {4}, row);
             }),
             Catch::Contains("has no column 'values_block_0'"));
  CHECK_THAT(error_after([](const auto& file) {
               H5::H5File(file.string(), H5F_ACC_TRUNC).createGroup("table");
               const hsize_t length = 803;
               H5::CompType row(std::size_t{4 * length});
               row.insertMember("values_block_0", 0,
                                H5::ArrayType(H5::PredType::IEEE_F32LE, 1, &length));
               put_zeros(file, "table/table", {4}, row);
             }),
             Catch::Contains("rows of 803 values in 'values_block_0'"));
}

TEST_CASE("a file without jets is refused") {
  CHECK_THAT(error_after([](const auto& file) {
               put_zeros(file, "Nobj", {0});
               put_zeros(file, "Pmu", {0, 5, 4}, H5::PredType::IEEE_F64LE);
               put_zeros(file, "label", {0, 5});
               put_zeros(file, "is_signal", {0});
             }),
             Catch::Contains("no jets"));
}

TEST_CASE("damaged chunks are an error that names the jets") {
  const TemporaryFolder folder;
  const auto file = folder / "train.h5";
  write_converted(file, make_padded_jets(400, 20));
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  // The momenta are most of the file, so its middle is in one of their chunks.
  bytes.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
  bytes << std::string(2000, 'x');
  bytes.close();
  CHECK_THAT(input_error(file, [&] { read_jets(file); }),
             Catch::Contains("data set 'Pmu' jets 0 to 399 (counted from 0) cannot be read: "));
}

TEST_CASE("HDF5's printing of errors is as before after an error") {
  H5E_auto2_t before = nullptr;
  H5E_auto2_t after = nullptr;
  void* data = nullptr;
  H5::Exception::getAutoPrint(before, &data);
  error_after([](const auto& file) { truncate_file(file); });
  H5::Exception::getAutoPrint(after, &data);
  CHECK(before != nullptr);
  CHECK(before == after);
}
