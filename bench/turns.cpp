#include "bench/turns.h"

#include <chrono>

namespace lorentznet::bench {

Turn take_turn(Runner& runner, const std::vector<Batch>& batches, std::size_t first, Mode mode,
               double seconds) {
  Turn turn;
  for (auto k = first; turn.seconds < seconds; ++k) {
    const auto& batch = batches[k % batches.size()];
    turn.seconds += time_of([&] { runner.run(batch); });
    turn.jets += static_cast<double>(batch.num_jets());
    turn.flops += counted_flops(runner.network()->options(), batch, mode);
  }
  return turn;
}

double time_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace lorentznet::bench
