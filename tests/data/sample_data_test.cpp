#include <algorithm>
#include <catch2/catch.hpp>

#include "lorentznet/readers.h"
#include "support.h"

using lorentznet::JetSet;

namespace {

std::filesystem::path data_dir(const char* task) {
  return std::filesystem::path(LORENTZNET_SOURCE_DIR) / "data" / task;
}

std::int64_t count_signal(const JetSet& jets) {
  return std::count(jets.label.begin(), jets.label.end(), 1);
}

double mean_multiplicity(const JetSet& jets) {
  return static_cast<double>(jets.num_constituents()) / static_cast<double>(jets.num_jets());
}

}  // namespace

TEST_CASE("the sample top jets are read: 3000, 1000 and 1000, half of them top") {
  if (!std::filesystem::exists(data_dir("top"))) return lorentznet::test::skip("no data/top");
  const auto files = lorentznet::find_top_files(data_dir("top"));
  CHECK(files.train == std::vector{data_dir("top") / "train.h5"});
  const JetSet train = lorentznet::read_top_split(files.train);
  CHECK(train.num_jets() == 3000);
  CHECK(count_signal(train) == 1500);
  CHECK(*std::max_element(train.column.begin(), train.column.end()) < 200);
  CHECK(mean_multiplicity(train) == Approx(66).margin(2));
  for (const auto& split : {files.val, files.test}) {
    const JetSet jets = lorentznet::read_top_split(split);
    CHECK(jets.num_jets() == 1000);
    CHECK(count_signal(jets) == 500);
  }
}

TEST_CASE("the sample quark/gluon jets are read: 5000, half of them quark") {
  const auto file = data_dir("qg") / "datasets" / "QG_jets.npz";
  if (!std::filesystem::exists(file)) return lorentznet::test::skip("no data/qg");
  const auto files = lorentznet::find_quark_gluon_files(data_dir("qg"));
  CHECK(files == std::vector{file});
  const JetSet jets = lorentznet::read_quark_gluon_files(files);
  CHECK(jets.num_jets() == 5000);
  CHECK(count_signal(jets) == 2500);
  const auto splits = lorentznet::split_by_position(jets);
  CHECK(splits.train.num_jets() == 4000);
  CHECK(splits.test.num_jets() == 500);
  CHECK(splits.val.num_jets() == 500);
  // Pions and photons: nearly everything is of one of the eight species.
  const auto others = std::count(jets.species.begin(), jets.species.end(), -1);
  CHECK(others < jets.num_constituents() / 100);
}
