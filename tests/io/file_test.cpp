#include "io/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <system_error>

#include "io/helpers.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

std::size_t count_files(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// The message of the system_error that `function` throws.
template <typename Function>
std::string system_error(Function function) {
  try {
    function();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "";
}

// Runs `function` in a child whose files can't grow beyond `bytes`; its result is the exit status.
template <typename Function>
int run_with_file_limit(rlim_t bytes, Function function) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::_exit(::setrlimit(RLIMIT_FSIZE, &limit) == 0 ? function() : 99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a file is read whole, up to the limit") {
  const TemporaryFolder folder;
  const std::string contents(200000, 'x');
  const auto path = write_file(folder, "a", contents);
  CHECK(read_file(path, contents.size()) == contents);
  CHECK(read_file(write_file(folder, "empty", ""), 0).empty());
  const std::string message = input_error([&] { read_file(path, contents.size() - 1); });
  CHECK_THAT(message, StartsWith(path.string() + ": ") && Contains("200000") && Contains("199999"));
}

TEST_CASE("what can't be read is an InputError that names it") {
  const TemporaryFolder folder;
  const auto missing = folder.path() / "missing";
  CHECK_THAT(input_error([&] { read_file(missing, 10); }),
             StartsWith(missing.string() + ": ") && Contains("No such file"));
  CHECK_THAT(input_error([&] { read_file(folder.path(), 10); }), Contains("Is a directory"));
}

TEST_CASE("a file appears whole, and only after commit") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "target", "old");
  {
    WholeFile file(path);
    file.append("new ");
    file.append("contents");
    CHECK(read_file(path, 100) == "old");
    CHECK(count_files(folder.path()) == 2);
    file.commit();
    CHECK(read_file(path, 100) == "new contents");
  }
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("a file that isn't committed leaves nothing behind") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "target", "old");
  {
    WholeFile file(path);
    file.append("new");
  }
  CHECK(read_file(path, 100) == "old");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("two writers of one file don't meet") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "target";
  WholeFile first(path);
  WholeFile second(path);
  first.append("first");
  second.append("second");
  first.commit();
  CHECK(read_file(path, 100) == "first");
  second.commit();
  CHECK(read_file(path, 100) == "second");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("a full disk is an error that names file and reason") {
  const FileDescriptor full(::open("/dev/full", O_WRONLY));
  REQUIRE(full.is_open());
  CHECK_THAT(system_error([&] { full.write_all("x", "results.json"); }),
             StartsWith("results.json: ") && Contains("No space left on device"));
}

TEST_CASE("a write that fails half-way leaves the old file and no other") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "target", "old");
  const int status = run_with_file_limit(1000, [&] {
    const std::string message =
        system_error([&] { write_file_whole(path, std::string(5000, 'x')); });
    return message == path.string() + ": cannot be written: File too large" ? 7 : 1;
  });
  CHECK(status == 7);
  CHECK(read_file(path, 100) == "old");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("a file that can't be made or replaced is an error that names it") {
  const TemporaryFolder folder;
  // Root may write anywhere, but not below a regular file.
  const auto below = write_file(folder, "file", "") / "target";
  CHECK_THAT(system_error([&] { write_file_whole(below, "x"); }),
             StartsWith(below.string() + ": ") && Contains("Not a directory"));
  const auto missing = folder.path() / "missing" / "target";
  CHECK_THAT(system_error([&] { write_file_whole(missing, "x"); }), Contains("No such file"));
  const auto occupied = folder.path() / "occupied";
  std::filesystem::create_directory(occupied);
  CHECK_THAT(system_error([&] { write_file_whole(occupied, "x"); }),
             StartsWith(occupied.string() + ": ") && Contains("Is a directory"));
  CHECK(count_files(folder.path()) == 2);
}

TEST_CASE("a moved descriptor is closed once") {
  FileDescriptor first(::open("/dev/null", O_WRONLY));
  const int number = first.get();
  FileDescriptor second(std::move(first));
  CHECK(second.get() == number);
  second = FileDescriptor();
  CHECK(::fcntl(number, F_GETFD) == -1);
}
