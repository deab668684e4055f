#include "bench/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>

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

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

double median(const std::vector<double>& values) { return quantile(values, 0.5); }

Json spread(const std::vector<double>& values) {
  return {{"median", median(values)},
          {"low", quantile(values, 0.25)},
          {"high", quantile(values, 0.75)}};
}

std::vector<double> quotients(const std::vector<double>& numerators,
                              const std::vector<double>& denominators) {
  std::vector<double> result(numerators.size());
  std::transform(numerators.begin(), numerators.end(), denominators.begin(), result.begin(),
                 std::divides<>());
  return result;
}

}  // namespace lorentznet::bench
