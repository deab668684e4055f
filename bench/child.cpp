#include <ATen/Parallel.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>

#include "bench/measure.h"
#include "io/file.h"

namespace lorentznet::bench {
namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

std::string answer(const std::function<Json()>& measure) {
  try {
    return Json{{"result", measure()}}.dump();
  } catch (const std::exception& error) {
    return Json{{"error", first_line(error)}}.dump();
  }
}

/// Ends without destructors: what is shared with the parent is cleaned up by the parent.
[[noreturn]] void run_child(const std::function<Json()>& measure, const FileDescriptor& out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // stopping the bench leaves no process behind
  int status = 0;
  try {
    out.write_all(answer(measure), "pipe");
  } catch (const std::exception&) {
    status = 1;
  }
  _exit(status);
}

std::string read_all(const FileDescriptor& in) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto count = read(in.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

/// The line "KEY: N kB" of a file in /proc, in bytes.
std::int64_t bytes_of(const std::string& key, const std::string& file) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::int64_t kilobytes = 0;
    if (word == key + ":" && in >> kilobytes) return 1024 * kilobytes;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  throw std::runtime_error(file + " has no " + key);
}

/// Half of what is free. The plain kernel would take tens of GB for a batch of 512, at the expense
/// of everything else on the machine.
void limit_memory() {
  const auto present = bytes_of("VmData", "/proc/self/status");
  const auto more = bytes_of("MemAvailable", "/proc/meminfo") / 2;
  rlimit limit{};
  getrlimit(RLIMIT_DATA, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, static_cast<rlim_t>(present + more));
  setrlimit(RLIMIT_DATA, &limit);
}

/// Returns to the system what malloc keeps (the batch would reuse what is left from reading the
/// data), and sets the peak of the resident memory to what is resident now.
void reset_peak() {
  malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;
  if (!clear) throw std::runtime_error("/proc/self/clear_refs can't be written");
}

/// Two small jets: they load the code and start the threads, and take hardly any memory.
Batch small_batch(const Workload& workload, Mode mode) {
  constexpr std::int64_t kNodes = 6;
  JetSet jets = jet_of_nodes(workload, kNodes);
  jets.append(jets);
  return make_batch(jets, std::vector<std::int64_t>{0, 1}, workload.task, workload.rule,
                    mode == Mode::kTraining);
}

}  // namespace

Json in_child(const std::function<Json()>& measure) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) fail("pipe");
  const FileDescriptor in(ends[0]);
  FileDescriptor out(ends[1]);
  std::fflush(nullptr);  // otherwise the child would write it again
  const auto child = fork();
  if (child < 0) fail("fork");
  if (child == 0) run_child(measure, out);
  out = FileDescriptor();
  const auto text = read_all(in);
  int status = 0;
  if (waitpid(child, &status, 0) < 0) fail("waitpid");
  if (WIFSIGNALED(status)) {
    throw std::runtime_error("ended by signal " + std::to_string(WTERMSIG(status)));
  }
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw std::runtime_error("ended without an answer");
  if (json.contains("error")) throw std::runtime_error(json.at("error").get<std::string>());
  return json.at("result");
}

double peak_memory_mb(const Workload& workload, Mode mode, const Contender& contender,
                      std::int64_t batch_size) {
  at::set_num_threads(contender.threads);
  Runner runner(workload, contender.kernel, mode);
  runner.run(small_batch(workload, mode));
  limit_memory();
  reset_peak();
  const auto before = bytes_of("VmRSS", "/proc/self/status");
  runner.run(alike_batches(workload, batch_size, 1, mode).front());
  const auto after = bytes_of("VmHWM", "/proc/self/status");
  return 1e-6 * static_cast<double>(after - before);
}

}  // namespace lorentznet::bench
