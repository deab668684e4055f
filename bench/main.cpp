#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string>

#include "app/run_data.h"
#include "bench/measure.h"
#include "console/console.h"
#include "lorentznet/error.h"

namespace {

using namespace lorentznet;

/// By default OpenMP's threads spin for milliseconds while they wait. On a busy machine they do
/// hardly anything else: the plain kernel was 7 times slower with two threads. A short spin costs
/// other processes little and saves waking up a hundred times per training step. OpenMP reads the
/// variable when it is loaded, so the program starts again.
void wait_briefly(char** argv) {
  const auto* variable = "GOMP_SPINCOUNT";
  if (std::getenv(variable) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv(variable, "30000", /*overwrite=*/0) == 0) execv("/proc/self/exe", argv);
}

void run(int argc, const char* const* argv) {
  std::string help;
  const auto settings = bench::parse_flags(argc, argv, help);
  if (!help.empty()) return print(Level::kResult, help);
  keep_freed_memory();  // as the programs do
  const auto results = bench::measure(settings, print_error);
  write_json(settings.json, results);
  print(Level::kResult, bench::table(results));
}

int fail(const std::exception& error, int status) {
  print_error("lorentznet_bench: " + bench::first_line(error));
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  wait_briefly(argv);
  try {
    run(argc, argv);
    return 0;
  } catch (const InputError& error) {
    return fail(error, 2);
  } catch (const std::exception& error) {
    return fail(error, 1);
  }
}
