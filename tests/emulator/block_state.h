#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "block.h"
#include "fiber.h"
#include "shared_memory.h"

namespace lorentznet::cuda::emu {

inline constexpr int kWarp = 32;

/// splitmix64 (Steele, Lea, Flood 2014).
struct Random {
  std::uint64_t state;
  std::uint64_t next();
  /// Less than `count`.
  int below(std::size_t count) { return static_cast<int>(next() % count); }
};

/// A CUDA thread.
struct Thread {
  Fiber* fiber = nullptr;
  void* operands = nullptr;    ///< of the operation in which it waits
  std::vector<Copy> copies;    ///< begun and not yet waited for
  bool fenced = false;         ///< since its last ticket
  int met = 0;                 ///< meetings of its block when it took its last ticket
  unsigned* ticket = nullptr;  ///< taken, without a fence since
};

/// A barrier of some of a block's threads.
struct Meeting {
  int arrived = 0;
  int first = 0;  ///< the thread that came first
  int times = 0;  ///< that all have come
  Location here;
  bool vote = false;   ///< of any thread that has arrived
  bool voted = false;  ///< the same, when the meeting was last complete
  char clock = 0;      ///< whose address is the thread sanitizer's name for this barrier
};

/// A running block. The scheduler is no fiber of its own: whoever has to wait looks for the next
/// thread and switches to it.
class Block {
 public:
  Block(unsigned count, const std::function<void()>& kernel);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs the threads until all have returned or one has failed.
  void start();
  /// Lets others run until the meeting in which this thread waits is complete.
  /// \throws std::runtime_error if nobody else can go on.
  void wait();
  /// In random order, somebody else may run first.
  void perhaps_yield();
  /// The running thread has returned or failed.
  [[noreturn]] void finish();

  std::vector<Thread> threads;
  std::vector<Meeting> warps;
  /// A warp's threads that can go on, a bit each: do not wait, have not returned.
  std::vector<std::uint32_t> ready;
  Meeting all;
  Random random;
  const std::function<void()>* body;
  SharedMemory* shared = nullptr;
  int running = kNobody, alive = 0;
  std::exception_ptr error;  ///< ends the launch
  /// Clocks: what the launch did comes before what threads do, and that before the block's end.
  char began = 0, ended = 0;

  /// Of the launch on this thread; null outside of launches.
  static inline constinit thread_local Block* current = nullptr;

 private:
  static constexpr int kNobody = -1;

  int next_in_warp(int warp, bool descending, int skip) const;
  int next_in_block(bool descending, int skip) const;
  int next();
  void resume(int thread);
  std::string who_waits() const;

  Fiber caller_;  ///< of the launch
};

}  // namespace lorentznet::cuda::emu
