#include "data/hdf5_look.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "data/hdf5_chunks.h"
#include "data/hdf5_file.h"
#include "data/layout.h"
#include "io/message.h"
#include "io/sizes.h"

namespace lorentznet {
namespace {

// What a crash in HDF5, or in what its damage has left, ends a process with.
constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

/// How many rows of a data set to read: none if HDF5 would have to unpack too much for them.
std::int64_t rows_to_look_at(const Hdf5Dataset& dataset) {
  constexpr std::int64_t kMostBytes = 1 << 20;
  const auto& shape = dataset.shape();
  if (shape.empty()) return 0;
  const auto elements = checked_product(std::span(shape).subspan(1)).value_or(kMaxElements);
  const auto size = static_cast<std::int64_t>(dataset.handle().getDataType().getSize());
  if (elements == 0 || size == 0 || elements > kMostBytes / size) return 0;
  const auto rows = kMostBytes / (elements * size);
  const auto layout = dataset.handle().getCreatePlist();
  if (layout.getLayout() != H5D_CHUNKED) return rows;
  const auto band = static_cast<std::int64_t>(chunk_extents(layout, shape.size()).at(0));
  return rows >= std::min(band, shape[0]) ? rows : 0;
}

/// Reads the whole index of a data set's chunks, which is metadata too.
void look_at_chunks(const Hdf5Dataset& dataset) {
  if (dataset.handle().getCreatePlist().getLayout() != H5D_CHUNKED) return;
  hsize_t chunks = 0;
  H5Dget_num_chunks(dataset.handle().getId(), dataset.handle().getSpace().getId(), &chunks);
}

/// As `jets info` and the readers do.
void walk(const std::filesystem::path& path) {
  const Hdf5File file(path);
  const auto quietly = [](auto f) {
    try {
      f();
    } catch (const std::exception&) {
      // Who reads the file will say so.
    } catch (const H5::Exception&) {
    }
  };
  for (const std::string main : {"X", "Pmu", "table/table"}) {
    quietly([&] {
      if (!file.has(main)) return;
      const auto dataset = file.dataset(main);
      look_at_chunks(dataset);
      const auto rows = rows_to_look_at(dataset);
      if (rows > 0) read_jets(file, layout_of(file), rows, {.skip = true, .most = 1});
    });
  }
  for (const auto& name : file.names()) quietly([&] { file.describe(name); });
  quietly([&] { stored_arrays(file); });
}

/// A child that crashes leaves nothing: neither lines nor a core file. It does not outlive its
/// parent, nor its time.
void prepare_child() {
  constexpr unsigned kSeconds = 60;  // no file system is that slow
  constexpr rlim_t kCpuSeconds = 10;
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit processor{kCpuSeconds, kCpuSeconds + 1};  // at the second one it would be SIGKILL
  setrlimit(RLIMIT_CPU, &processor);
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : kCrashes) {
    std::signal(number, SIG_DFL);  // the program may have handlers, and Python has
    sigaddset(&ours, number);
  }
  std::signal(SIGALRM, SIG_DFL);
  std::signal(SIGXCPU, SIG_DFL);
  sigaddset(&ours, SIGALRM);
  sigaddset(&ours, SIGXCPU);
  sigprocmask(SIG_UNBLOCK, &ours, nullptr);
  alarm(kSeconds);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
}

/// What ended the child, if HDF5 is to blame.
std::optional<std::string> fault_of(int status) {
  if (WIFEXITED(status)) {  // a sanitizer's report ends it otherwise
    return WEXITSTATUS(status) == 0 ? std::nullopt : std::optional<std::string>("fails on it");
  }
  const int number = WTERMSIG(status);
  if (number == SIGXCPU) return "does not come to an end";
  if (std::find(kCrashes.begin(), kCrashes.end(), number) == kCrashes.end()) return std::nullopt;
  return std::string("crashes on it (") + strsignal(number) + ")";
}

}  // namespace

void look_at_hdf5(const std::filesystem::path& path) {
  const pid_t child = ::fork();
  if (child < 0) return;
  if (child == 0) {
    prepare_child();
    try {
      walk(path);
    } catch (...) {
      // The parent will find the same.
    }
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return;  // the program has waited for all its children, or does not want to
  }
  if (const auto fault = fault_of(status)) {
    throw_file_error(path.string(), "damaged HDF5 file: the HDF5 library " + *fault);
  }
}

}  // namespace lorentznet
