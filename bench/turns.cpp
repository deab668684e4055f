#include "bench/turns.h"

#include <chrono>
#include <ctime>

namespace lorentznet::bench {
namespace {

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

Turn take_turn(Runner& runner, const std::vector<Batch>& batches, std::size_t first, Mode mode,
               double seconds) {
  Turn turn;
  const auto cpu_before = cpu_seconds();
  for (auto k = first; turn.seconds < seconds; ++k) {
    const auto& batch = batches[k % batches.size()];
    turn.seconds += time_of([&] { runner.run(batch); });
    turn.jets += static_cast<double>(batch.num_jets());
    turn.flops += counted_flops(runner.network()->options(), batch, mode);
  }
  turn.cpu_seconds = cpu_seconds() - cpu_before;
  return turn;
}

double time_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace lorentznet::bench
