#include "lorentznet/jets.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

#include "data/test_files.h"
#include "lorentznet/error.h"

using lorentznet::InputError;
using lorentznet::JetSet;

namespace {

/// Jets of the given multiplicities whose values tell constituents apart: E = 1, 2, 3, ...
JetSet numbered_jets(const std::vector<int>& multiplicities, const std::string& file) {
  JetSet jets;
  for (const int multiplicity : multiplicities) {
    for (int column = 0; column < multiplicity; ++column) {
      const double energy = static_cast<double>(jets.column.size()) + 1;
      jets.p4.append({energy, .1, .2, .3});
      jets.species.push_back(static_cast<std::int8_t>(column % 8));
      jets.column.push_back(static_cast<std::int16_t>(column));
    }
    jets.label.push_back(static_cast<std::int8_t>(multiplicity % 2));
    jets.offsets.push_back(static_cast<std::int64_t>(jets.column.size()));
  }
  jets.sources = {{file, 0, 0}};
  return jets;
}

}  // namespace

TEST_CASE("an empty set has no jets") {
  const JetSet jets;
  CHECK(jets.num_jets() == 0);
  CHECK(jets.num_constituents() == 0);
  CHECK(jets.slice(0, 0).num_jets() == 0);
}

TEST_CASE("a slice holds its jets and knows where they came from") {
  const JetSet part = numbered_jets({2, 3, 1, 4}, "a.h5").slice(1, 2);
  CHECK(part.num_jets() == 2);
  CHECK(part.offsets == std::vector<std::int64_t>{0, 3, 4});
  CHECK(part.p4 == std::vector<double>{3, .1, .2, .3, 4, .1, .2, .3,  //
                                       5, .1, .2, .3, 6, .1, .2, .3});
  CHECK(part.species == std::vector<std::int8_t>{0, 1, 2, 0});
  CHECK(part.column == std::vector<std::int16_t>{0, 1, 2, 0});
  CHECK(part.label == std::vector<std::int8_t>{1, 1});
  CHECK(part.describe(0) == "a.h5: jet 1");
  CHECK(part.describe(1) == "a.h5: jet 2");
}

TEST_CASE("append keeps every jet's source, and so does a slice across sources") {
  JetSet jets = numbered_jets({2, 3}, "a.h5");
  jets.append(numbered_jets({1, 1, 7}, "b.h5").slice(1, 2));
  CHECK(jets.num_jets() == 4);
  CHECK(jets.num_constituents() == 13);
  CHECK(jets.multiplicity(3) == 7);
  CHECK(jets.describe(1) == "a.h5: jet 1");
  CHECK(jets.describe(2) == "b.h5: jet 1");
  CHECK(jets.describe(3) == "b.h5: jet 2");

  const JetSet across = jets.slice(1, 3);
  CHECK(across.describe(0) == "a.h5: jet 1");
  CHECK(across.describe(1) == "b.h5: jet 1");
  CHECK(across.describe(2) == "b.h5: jet 2");
  CHECK(across.multiplicity(2) == 7);
}

TEST_CASE("a set names its files, each with its jets") {
  using Files = std::vector<std::pair<std::string, std::int64_t>>;
  JetSet jets = numbered_jets({2, 3, 1}, "a.h5");
  CHECK(jets.files() == Files{{"a.h5", 3}});
  CHECK(jets.describe_files() == "a.h5");
  jets.append(numbered_jets({1, 1, 7}, "b.h5").slice(1, 2));
  jets.append(numbered_jets({4}, "c.h5"));
  jets.append(numbered_jets({4, 4}, "a.h5"));  // a second source of the same file
  CHECK(jets.files() == Files{{"a.h5", 5}, {"b.h5", 2}, {"c.h5", 1}});
  CHECK(jets.describe_files() == "a.h5, b.h5, c.h5");
  CHECK(jets.slice(3, 3).files() == Files{{"b.h5", 2}, {"c.h5", 1}});
  jets.append(numbered_jets({1}, "d.h5"));
  CHECK(jets.describe_files() == "a.h5, b.h5, c.h5, ... (4 files)");
  CHECK(JetSet().files().empty());
  CHECK(JetSet().describe_files() == "jets without a file");
}

TEST_CASE("slices put together again are the set") {
  const JetSet jets = numbered_jets({2, 3, 1, 4}, "a.h5");
  JetSet again = jets.slice(0, 1);
  again.append(jets.slice(1, 0));
  again.append(jets.slice(1, 3));
  lorentznet::test::check_same_jets(again, jets);
  CHECK(again.sources.size() == 1);
}

TEST_CASE("a set can be appended to itself") {
  JetSet jets = numbered_jets({2, 3}, "a.h5");
  jets.append(jets);
  CHECK(jets.num_jets() == 4);
  CHECK(jets.num_constituents() == 10);
  CHECK(jets.p4[20] == 1);
  CHECK(jets.describe(3) == "a.h5: jet 1");
}

TEST_CASE("jets without a source are not taken for the last file's") {
  JetSet jets = numbered_jets({2}, "a.h5");
  JetSet made = numbered_jets({1, 1}, "");
  made.sources.clear();
  CHECK(made.describe(1) == "jet 1");
  jets.append(made);
  CHECK(jets.describe(0) == "a.h5: jet 0");
  CHECK(jets.describe(2) == "jet 1");
}

TEST_CASE("jets with and without species do not mix") {
  JetSet jets = numbered_jets({2}, "a.h5");
  JetSet bare = jets;
  bare.species = {};
  CHECK_THROWS_AS(jets.append(bare), InputError);
  CHECK_THROWS_AS(bare.append(jets), InputError);
  JetSet empty;
  empty.append(bare);
  CHECK(empty.species.empty());
  empty.append(JetSet());
  CHECK(empty.num_jets() == 1);
}

TEST_CASE("ranges outside the set are refused with both values") {
  const JetSet jets = numbered_jets({2, 3}, "a.h5");
  const auto outside = GENERATE(std::pair(-1, 1), std::pair(0, 3), std::pair(2, 1),
                                std::pair(1, -1), std::pair(3, 0));
  CHECK_THROWS_AS(jets.slice(outside.first, outside.second), std::out_of_range);
  CHECK_THROWS_WITH(jets.slice(0, 3), "slice of 3 jets from jet 0 of a set of 2 jets");
  CHECK_THROWS_AS(jets.slice(1, INT64_MAX), std::out_of_range);
  CHECK_THROWS_WITH(jets.describe(2), "jet 2 of a set of 2 jets");
  CHECK_THROWS_AS(jets.describe(-1), std::out_of_range);
}
