#include "bench/machine.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "lorentznet/isa.h"

namespace lorentznet::bench {
namespace {

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Json describe_machine() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  return {{"processor", processor()},
          {"cores", std::thread::hardware_concurrency()},
          {"isa", name(choose_isa())},
          {"bf16_dot", has_bf16_dot()},
          {"omp_wait_policy", variable("OMP_WAIT_POLICY")},
          {"gomp_spincount", variable("GOMP_SPINCOUNT")}};
}

}  // namespace lorentznet::bench
