#include "gloo_ranks.h"

#include <exception>
#include <mutex>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "support.h"

namespace lorentznet::test {

void run_ranks(std::int64_t size, const std::function<void(Processes&)>& f) {
  // c10d's flight recorder, one for the whole process, adds a group to its map outside its lock:
  // two ranks of a process that begin together crash in it. Where a rank is a process there is no
  // race.
  const EnvironmentVariable without_recorder("TORCH_FR_BUFFER_SIZE", "0");
  c10d::TCPStoreOptions options;
  options.port = 0;  // any that is free
  options.isServer = true;
  options.waitWorkers = false;
  const auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto work = [&](std::int64_t rank) {
    Launch launch;
    launch.rank = rank;
    launch.size = size;
    launch.address = "127.0.0.1";
    launch.port = store->getPort();
    launch.agent_store = true;
    Processes processes(launch, std::chrono::seconds(600), [](const Ending&) { std::abort(); });
    try {
      f(processes);
    } catch (...) {
      const std::lock_guard lock(mutex);
      thrown = std::current_exception();
    }
    processes.finish();
  };
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < size; ++rank) threads.emplace_back(work, rank);
  for (auto& thread : threads) thread.join();
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

}  // namespace lorentznet::test
