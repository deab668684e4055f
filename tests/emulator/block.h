#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <string>

/// A CPU emulator of CUDA blocks. Each CUDA thread is a fiber; an operation of a whole warp or
/// block is a meeting of its fibers at one place of the source. Between meetings one fiber runs at
/// a time. An emulated launch runs on the thread that calls it; several threads may do so at the
/// same time.
///
/// While it runs, it checks that all threads of a meeting come to the same operation, that none
/// waits for ever, that asynchronous copies are waited for (they land only then), and that shared
/// memory, which starts as NaN, is used as it was divided. Sanitizers see the rest: the address
/// sanitizer what is read or written outside arrays; the thread sanitizer, to which every CUDA
/// thread is a thread, a missing barrier.
namespace lorentznet::cuda::emu {

/// In which order threads run between meetings. It is unfair: a warp runs as far as it can before
/// another one starts, because taking turns would hide a missing barrier. Blocks run in that order
/// too. `kRandom` depends on the seed alone.
enum class Order { kAscending, kDescending, kRandom };

/// Of all launches; to be changed only while none runs.
struct Options {
  Order order = Order::kAscending;
  std::uint64_t seed = 1;
  std::size_t redzone = 32;              ///< bytes after each array in shared memory
  std::size_t shared_limit = 227 << 10;  ///< most bytes of a block: those of an H100
};
inline Options options;

/// Where in a kernel an operation stands; the default value of the operation's last argument.
using Location = std::source_location;

/// Runs `body` once for each thread of each block. The blocks run one after another.
/// \throws std::runtime_error for a fault of the kernel, and what `body` throws.
void launch(unsigned blocks, unsigned threads, std::size_t shared_bytes,
            const std::function<void()>& body);

// The rest is for the primitives, and is called in a kernel.

/// Ends the launch.
/// \throws std::runtime_error with the block and the thread.
[[noreturn]] void fail(const std::string& what);

/// What one lane does for all 32 when they have met, given each lane's operands.
using WarpWork = void (*)(void* const* operands);

void warp_meet(void* operands, Location here, WarpWork work);
void block_meet(Location here);
/// The same. \return whether `value` was true in any thread
bool block_any(bool value, Location here);

/// Before a ticket is taken, and after it: else that is a fault. So is a ticket before which the
/// block has not met, since its other threads may still write.
void fence();
/// Adds 1 to *tickets. \return what it was
unsigned take_ticket(unsigned* tickets);

/// The bytes from `offset` on of the block's shared memory, as an array followed by a red zone.
void* carve(std::size_t offset, std::size_t bytes);

/// An asynchronous copy of 16 bytes that this thread has begun.
struct Copy {
  void* to;
  const void* from;
};
void begin_copy(Copy copy);
std::span<const Copy> begun_copies();
void forget_copies();

}  // namespace lorentznet::cuda::emu
