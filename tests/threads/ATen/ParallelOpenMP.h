// In place of LibTorch's header of this name, in builds with the thread sanitizer (preset threads):
// the sanitizer doesn't see that OpenMP's threads wait for each other, as their runtime isn't
// compiled with it, and takes every loop for a race. Here a loop's threads are std::threads, and
// their number is the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#define INTRA_OP_PARALLEL

namespace at::internal {

template <typename F>
void invoke_parallel(std::int64_t begin, std::int64_t end, std::int64_t grain_size, const F& f) {
  const std::int64_t most = at::get_num_threads();
  const auto count = grain_size > 0 ? std::min(most, divup(end - begin, grain_size)) : most;
  const auto size = divup(end - begin, count);
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto work = [&](std::int64_t thread) {
    const auto first = begin + thread * size;
    if (first >= end) return;
    try {
      const ThreadIdGuard id(static_cast<int>(thread));
      f(first, std::min(end, first + size));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (thrown == nullptr) thrown = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::int64_t thread = 1; thread < count; ++thread) threads.emplace_back(work, thread);
    work(0);
  }
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

}  // namespace at::internal
