// Files on which the HDF5 library crashes.
#include "data/hdf5_look.h"

#include <H5public.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "lorentznet/readers.h"
#include "test_files.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

std::filesystem::path stored(const std::string& name) {
  return std::filesystem::path(LORENTZNET_SOURCE_DIR) / "tests" / name;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

}  // namespace

TEST_CASE("an HDF5 file that crashes the library is refused") {
  for (const std::string name :
       {"segmentation-fault", "segmentation-fault-2", "division-by-zero"}) {
    const auto file = stored("data/fuzz/hdf5/" + name);
    const auto message = input_error(file, [&] { read_jets(file); });
    // Other versions of the library may find the damage themselves.
    if (H5_VERS_MINOR == 10) CHECK_THAT(message, Contains("the HDF5 library crashes on it ("));
  }
  CHECK_FALSE(has_children());
}

TEST_CASE("a look at a sound HDF5 file changes nothing for the program") {
  const auto file = stored("fuzz/seeds/hdf5/own");
  struct sigaction before {
  }, after{};
  ::sigaction(SIGSEGV, nullptr, &before);
  look_at_hdf5(file);
  ::sigaction(SIGSEGV, nullptr, &after);
  CHECK(before.sa_handler == after.sa_handler);
  CHECK_FALSE(has_children());
  // A program that does not want to hear of its children has no status of this one.
  auto* const handler = std::signal(SIGCHLD, SIG_IGN);
  CHECK(read_jets(file).num_jets() == 4);
  std::signal(SIGCHLD, handler);
}
