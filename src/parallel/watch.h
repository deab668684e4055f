#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "parallel/backends.h"
#include "parallel/processes.h"

namespace lorentznet {

/// A thread of each rank that checks, a few times a second, that the others are alive. It has a
/// backend of its own, so it works whatever the ranks' main threads wait for.
///
/// Every rank sends rank 0 its state, and rank 0 answers whether the run goes on. All remaining
/// ranks see the same ending.
class Watch {
 public:
  /// \param timeout, on_end  as in Processes
  Watch(BackendPointer backend, const Place& place, std::chrono::milliseconds timeout,
        OnEnd on_end);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// This rank has failed: tells rank 0, and waits for what ends the run.
  Ending fail(std::int64_t status);
  /// This rank is done: waits for the others. If one fails, on_end is called.
  void finish();

 private:
  void watch();
  Ending ask_all();
  Ending ask_rank_0();
  Ending state();
  void tell_all(const Ending& ending);
  void conclude(const Ending& ending);

  BackendPointer backend_;
  std::int64_t rank_, size_;
  std::chrono::milliseconds timeout_;
  OnEnd on_end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Ending state_;                  ///< of this rank: kNone, kFinished or kFailed
  std::optional<Ending> ending_;  ///< of the run
  std::thread thread_;            ///< last member: it uses the others
};

}  // namespace lorentznet
