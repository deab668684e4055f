#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "parallel/backends.h"

namespace lorentznet {

/// How a run of several processes ends.
struct Ending {
  enum class Kind : std::int64_t {
    kNone,      ///< not yet
    kFinished,  ///< all ranks are done
    kFailed,    ///< `rank` is the first one that said that it failed
    kGone,      ///< `rank` ended without a word
    kHangs,     ///< `rank` has not answered in time
  };
  Kind kind = Kind::kNone;
  std::int64_t rank = 0;
  std::int64_t status = 0;  ///< of the program of `rank`, where it failed
};

/// A thread of each rank that asks the others, a few times a second, whether they are well. It has
/// a communication of its own, so it works whatever the ranks' main threads wait for.
///
/// Every rank tells rank 0 its state, and rank 0 tells all of them what follows. What ends the run
/// is the same for all ranks that are left.
class Watch {
 public:
  using OnEnd = std::function<void(const Ending&)>;

  /// \param timeout  after which a rank that does not answer hangs
  /// \param on_end   called in the watching thread when the run ends otherwise than kFinished while
  ///                 this rank is at work. It does not return.
  Watch(BackendPointer backend, const Place& place, std::chrono::milliseconds timeout,
        OnEnd on_end);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Tells the others that this rank has failed, and waits for what is decided.
  Ending fail(std::int64_t status);
  /// This rank is done: waits for the others. on_end is called should they fail.
  void finish();

 private:
  using Message = std::array<std::int64_t, 3>;  // what of an Ending goes over the wire

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
