#include <catch2/catch.hpp>
#include <fstream>
#include <stdexcept>

#include "data/test_files.h"
#include "data/top_writer.h"
#include "lorentznet/readers.h"

using lorentznet::find_top_files;
using lorentznet::JetSet;
using lorentznet::read_jets;
using lorentznet::read_top_split;
using namespace lorentznet::test;

namespace {

void make_files(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) std::ofstream{folder / name};
}

}  // namespace

TEST_CASE("top files are sorted into splits by their names") {
  const TemporaryFolder folder;
  make_files(folder, {"train_2.h5", "top_val.h5", "test.h5", "train_10.h5", "train.txt", "notes.h5",
                      "validation.h5"});
  const auto splits = find_top_files(folder.path());
  CHECK(splits.train == std::vector{folder / "train_10.h5", folder / "train_2.h5"});
  CHECK(splits.val == std::vector{folder / "top_val.h5", folder / "validation.h5"});
  CHECK(splits.test == std::vector{folder / "test.h5"});
}

TEST_CASE("a name with the words of two splits is refused") {
  const TemporaryFolder folder;
  make_files(folder, {"train.h5", "test.h5", "val_test.h5"});
  CHECK_THAT(input_error(folder / "val_test.h5", [&] { find_top_files(folder.path()); }),
             Catch::Contains("both 'val' and 'test'"));
}

TEST_CASE("a split without files is refused with what was looked for and what is there") {
  const TemporaryFolder folder;
  const auto find = [&] { find_top_files(folder.path()); };
  CHECK_THAT(input_error(folder.path(), find),
             Catch::Contains("contains 'train'; there is no such file at all"));
  make_files(folder, {"test.h5", "train.h5"});
  CHECK_THAT(input_error(folder.path(), find),
             Catch::Contains("contains 'val'; there is test.h5, train.h5"));
  CHECK(find_top_files(folder.path(), {"test"}).test.size() == 1);
  CHECK_THROWS_AS(find_top_files(folder.path(), {"tests"}), std::invalid_argument);
  CHECK_THAT(input_error(folder / "nowhere", [&] { find_top_files(folder / "nowhere"); }),
             Catch::Contains("cannot list this folder"));
}

TEST_CASE("a split's files are read one after the other and share max_jets") {
  const TemporaryFolder folder;
  const std::vector files = {folder / "train_a.h5", folder / "train_b.h5", folder / "train_c.h5"};
  write_converted(files[0], make_padded_jets(5, 4));
  write_raw(files[1], make_padded_jets(2, 6));
  write_converted(files[2], make_padded_jets(9, 3));

  const JetSet all = read_top_split(files);
  CHECK(all.num_jets() == 16);
  CHECK(all.describe(4) == files[0].string() + ": jet 4");
  CHECK(all.describe(6) == files[1].string() + ": jet 1");
  CHECK(all.describe(7) == files[2].string() + ": jet 0");

  // 11 = 4 + 4 + 3, of which the second file has 2.
  JetSet expected = all.slice(0, 4);
  expected.append(all.slice(5, 2));
  expected.append(all.slice(7, 3));
  check_same_jets(read_top_split(files, 11), expected);
  check_same_jets(read_top_split(files, 1), all.slice(0, 1));
  CHECK(read_top_split(files, 0).num_jets() == 0);
  CHECK_THROWS_AS(read_top_split(files, -2), std::invalid_argument);
  CHECK_THROWS_AS(read_top_split({}), std::invalid_argument);
}
