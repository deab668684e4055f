// The targets of scripts/fuzz.py on its seeds and on what it has found, without clang.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "fuzz/targets.h"

namespace fs = std::filesystem;
using namespace lorentznet;

namespace {

std::vector<fs::path> files_in(const fs::path& folder) {
  if (!fs::is_directory(folder)) return {};
  return {fs::directory_iterator(folder), fs::directory_iterator()};
}

std::string contents_of(const fs::path& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

}  // namespace

TEST_CASE("fuzzing starts from files that are accepted") {
  for (const auto& target : fuzz::kTargets) {
    const auto seeds = files_in(fs::path(LORENTZNET_SOURCE_DIR) / "tests/fuzz/seeds" / target.name);
    CAPTURE(target.name);
    CHECK_FALSE(seeds.empty());
    for (const auto& seed : seeds) {
      CAPTURE(seed);
      CHECK(target.run(contents_of(seed)));
    }
  }
}

TEST_CASE("what fuzzing has found is read or refused") {
  for (const auto& target : fuzz::kTargets) {
    for (const auto& file :
         files_in(fs::path(LORENTZNET_SOURCE_DIR) / "tests/data/fuzz" / target.name)) {
      CAPTURE(file);
      CHECK_NOTHROW(target.run(contents_of(file)));
    }
  }
}
