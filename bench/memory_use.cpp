#include "bench/memory_use.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <sys/resource.h>

#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

#include "bench/runner.h"

namespace lorentznet::bench {
namespace {

/// A line "KEY: N kB" of a file of /proc, in bytes.
std::int64_t bytes_of(const std::string& key, const std::string& file) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::int64_t kilobytes = 0;
    if (word == key + ":" && in >> kilobytes) return 1024 * kilobytes;
    in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  throw std::runtime_error(file + " has no " + key);
}

/// The plain kernel would take tens of GB for a batch of 512 and others of this machine with it.
void limit_memory() {
  const auto present = bytes_of("VmData", "/proc/self/status");
  const auto more = bytes_of("MemAvailable", "/proc/meminfo") / 2;
  rlimit limit{};
  getrlimit(RLIMIT_DATA, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, static_cast<rlim_t>(present + more));
  setrlimit(RLIMIT_DATA, &limit);
}

/// Gives back what malloc keeps (reading the data left some, which the batch would use unnoticed),
/// and makes the peak of the resident memory what is resident now.
void reset_peak() {
  malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;
  if (!clear) throw std::runtime_error("/proc/self/clear_refs can't be written");
}

/// Two jets of a few constituents: they load the code and wake the threads, and take no memory.
Batch small_batch(const Workload& workload, Mode mode) {
  constexpr std::int64_t few = 4;
  JetSet jets = jet_of_nodes(workload, few + 2);
  jets.append(jets);
  return make_batch(jets, std::vector<std::int64_t>{0, 1}, workload.task, workload.rule,
                    mode == Mode::kTraining);
}

}  // namespace

double peak_memory_mb(const Workload& workload, Mode mode, const Contender& contender,
                      std::int64_t batch_size) {
  at::set_num_threads(contender.threads);
  Runner runner(workload, contender.choice, mode);
  runner.run(small_batch(workload, mode));
  limit_memory();
  reset_peak();
  const auto before = bytes_of("VmRSS", "/proc/self/status");
  runner.run(alike_batches(workload, batch_size, 1, mode).front());
  const auto after = bytes_of("VmHWM", "/proc/self/status");
  return 1e-6 * static_cast<double>(after - before);
}

}  // namespace lorentznet::bench
