#include "bench/machine.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace lorentznet::bench {
namespace {

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

using Clock = std::chrono::steady_clock;

// In assembly, so that the result does not depend on compiler, flags or sanitizers. Fourteen
// independent sums hide the latency. Each is a <- addend - a, which becomes neither large nor small
// nor constant: no denormals, and the registers' bits keep changing.
constexpr float kFactor = -1, kAddend = 0.98765432F;
constexpr int kSums = 14;

void multiply_add_sse2(std::int64_t rounds) {
  asm volatile(
      "movss %[factor], %%xmm14\n shufps $0, %%xmm14, %%xmm14\n"
      "movss %[addend], %%xmm15\n shufps $0, %%xmm15, %%xmm15\n"
      ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n movaps %%xmm15, %%xmm\\r\n .endr\n"
      "1:\n .irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n"
      "mulps %%xmm14, %%xmm\\r\n addps %%xmm15, %%xmm\\r\n .endr\n"
      "dec %[rounds]\n jnz 1b\n"
      : [rounds] "+r"(rounds)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

void fma_avx2(std::int64_t rounds) {
  asm volatile(
      "vbroadcastss %[factor], %%ymm14\n vbroadcastss %[addend], %%ymm15\n"
      ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n vmovaps %%ymm15, %%ymm\\r\n .endr\n"
      "1:\n .irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n"
      "vfmadd213ps %%ymm15, %%ymm14, %%ymm\\r\n .endr\n"
      "dec %[rounds]\n jnz 1b\n vzeroupper\n"
      : [rounds] "+r"(rounds)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

void fma_avx512(std::int64_t rounds) {
  asm volatile(
      "vbroadcastss %[factor], %%zmm14\n vbroadcastss %[addend], %%zmm15\n"
      ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n vmovaps %%zmm15, %%zmm\\r\n .endr\n"
      "1:\n .irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13\n"
      "vfmadd213ps %%zmm15, %%zmm14, %%zmm\\r\n .endr\n"
      "dec %[rounds]\n jnz 1b\n vzeroupper\n"
      : [rounds] "+r"(rounds)
      : [factor] "m"(kFactor), [addend] "m"(kAddend)
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/// A loop whose rounds are kSums multiply-adds, and the flops of one multiply-add.
struct PeakLoop {
  void (*run)(std::int64_t rounds);
  int flops;
};

PeakLoop loop_for(Isa isa) {
  if (isa == Isa::kPortable) return {multiply_add_sse2, 8};
  if (isa == Isa::kAvx2) return {fma_avx2, 16};
  return {fma_avx512, 32};
}

/// GFLOP/s of this thread from now to about `seconds` later.
double run_for(const PeakLoop& loop, double seconds) {
  constexpr std::int64_t kBlock = 2000;  // the clock is read every 10 microseconds or so
  const auto begin = Clock::now();
  std::int64_t rounds = 0;
  double elapsed = 0;
  do {
    loop.run(kBlock);
    rounds += kBlock;
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (elapsed < seconds);
  return 1e-9 * static_cast<double>(rounds) * kSums * loop.flops / elapsed;
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
          {"omp_wait_policy", variable("OMP_WAIT_POLICY")},
          {"gomp_spincount", variable("GOMP_SPINCOUNT")}};
}

double measure_fma_peak(Isa isa, int threads, double seconds) {
  const auto loop = loop_for(isa);
  std::vector<double> rate(static_cast<std::size_t>(threads));
  at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = begin; k < end; ++k) rate[static_cast<std::size_t>(k)] = run_for(loop, seconds);
  });
  return std::reduce(rate.begin(), rate.end());
}

}  // namespace lorentznet::bench
