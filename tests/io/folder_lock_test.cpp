#include "io/folder_lock.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <memory>

#include "io/helpers.h"
#include "io/message.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Kind = FolderLock::Kind;

namespace {

std::string pid() { return ", pid " + std::to_string(::getpid()) + ", since "; }

TEST_CASE("a locked folder excludes others and names its holder") {
  const TemporaryFolder folder;
  const auto file = folder.path() / FolderLock::kFileName;
  std::ofstream(file) << "training of a process that was killed\n";
  {
    FolderLock training, test;
    CHECK(training.take(folder.path(), Kind::kExclusive, "training").empty());
    CHECK_THROWS_WITH(test.take(folder.path(), Kind::kShared, "test", " (advice)"),
                      Contains(folder.path().string() + ": in use by a training on ") &&
                          Contains(pid()) && Contains("(advice)") && !Contains("killed"));
    CHECK(training.take(folder.path(), Kind::kExclusive, "training").empty());  // it has it
  }
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("tests share a folder, and the last one removes the file") {
  const TemporaryFolder folder;
  const auto file = folder.path() / FolderLock::kFileName;
  auto first = std::make_unique<FolderLock>(), second = std::make_unique<FolderLock>();
  first->take(folder.path(), Kind::kShared, "first test");
  second->take(folder.path(), Kind::kShared, "second test");
  const auto refused = [&](const std::string& has, const std::string& has_not) {
    FolderLock training;
    CHECK_THROWS_WITH(training.take(folder.path(), Kind::kExclusive, "training"),
                      Contains(has) && !Contains(has_not));
  };
  refused("first test", "another process");
  refused("second test", "another process");
  first.reset();
  refused("second test", "first test");
  second.reset();
  CHECK_FALSE(std::filesystem::exists(file));
  FolderLock training;
  CHECK(training.take(folder.path(), Kind::kExclusive, "training").empty());
}

TEST_CASE("a shell reads a quoted word as it was") {
  CHECK(shell_word("logs/top/run-1,2=x") == "logs/top/run-1,2=x");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("it's a $HOME") == R"('it'\''s a $HOME')");
}

}  // namespace
