#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

#include "block.h"
#include "cuda_names.h"
#include "formats.h"

// All that kernels may use, for the emulator. The same names as in
// src/engine/cuda/device/cuda_primitives.h, which is for nvcc; the include path chooses.

// ---- CUDA's operations of a warp or block. Only whole warps meet. ----

inline void __syncthreads(std::source_location here = std::source_location::current()) {
  lorentznet::cuda::emu::block_meet(here);
}

inline int __syncthreads_or(int predicate,
                            std::source_location here = std::source_location::current()) {
  return lorentznet::cuda::emu::block_any(predicate != 0, here);
}

inline void __threadfence() { lorentznet::cuda::emu::fence(); }

inline void __syncwarp(std::source_location here = std::source_location::current()) {
  lorentznet::cuda::emu::warp_meet(nullptr, here, nullptr);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane,
              std::source_location here = std::source_location::current()) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) >= 4, "what CUDA shuffles");
  if (mask != 0xffffffff) lorentznet::cuda::emu::fail("shuffles a part of its warp");
  return lorentznet::cuda::prim::from_lane(value, lane, here);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits,
                  std::source_location here = std::source_location::current()) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x & 31) ^ bits, here);
}

namespace lorentznet::cuda::prim {

// ---- launches ----

/// Launches of a stream run one after another. There is nothing to it here.
struct Stream {};

namespace detail {
inline std::atomic<long> launches = 0;
}

/// Kernels started by this process.
inline long launches() { return detail::launches; }

/// The most shared memory that a block can have, in bytes.
inline std::size_t shared_limit() { return emu::options.shared_limit; }

/// Runs Kernel::run(params) in each thread of `grid` blocks of Kernel::kThreads threads. It has
/// ended when this returns.
/// \throws std::runtime_error if the device can't run it, or for a fault that the emulator finds.
template <class Kernel>
void launch(Stream, unsigned grid, std::size_t shared_bytes,
            const typename Kernel::Params& params) {
  if (grid == 0) throw std::runtime_error("a launch needs at least one block");
  if (shared_bytes > shared_limit()) {
    throw std::runtime_error("a kernel needs " + std::to_string(shared_bytes) +
                             " bytes of shared memory a block; this device has " +
                             std::to_string(shared_limit()));
  }
  ++detail::launches;
  emu::launch(grid, Kernel::kThreads, shared_bytes, [&] { Kernel::run(params); });
}

// ---- shared memory ----

/// Bytes that a launch has to add for each array that its kernel carves.
inline std::size_t redzone() { return emu::options.redzone; }

/// Divides the block's shared memory into arrays, one after another, at multiples of 16 bytes.
/// Every thread of the block makes the same calls.
class Carver {
 public:
  template <typename T>
  T* take(int count) {
    offset_ = (offset_ + 15) / 16 * 16;
    const std::size_t bytes = sizeof(T) * count;
    auto* array = static_cast<T*>(emu::carve(offset_, bytes));
    offset_ += bytes + redzone();
    return array;
  }

 private:
  std::size_t offset_ = 0;
};

/// Begins to copy 16 bytes from global to shared memory; both addresses are multiples of 16. The
/// copy lands when this thread waits, not before.
inline void copy_async16(void* to, const void* from) { emu::begin_copy({to, from}); }

/// Waits for all copies that this thread has begun.
inline void copy_async_wait() {
  for (const emu::Copy& copy : emu::begun_copies()) std::memcpy(copy.to, copy.from, 16);
  emu::forget_copies();
}

// ---- between the blocks of a launch ----

/// The number of tickets that were taken before. Needs a __threadfence() before it, so that whoever
/// takes a later one may see what was written, and one after it, to see what others wrote.
inline unsigned take_ticket(unsigned* tickets) { return emu::take_ticket(tickets); }

// ---- functions of numbers; a GPU's have other last bits ----

inline float log2_fast(float x) { return std::log2(x); }
inline float exp2_fast(float x) { return std::exp2(x); }
inline float rcp_fast(float x) { return 1.0f / x; }
inline double abs_double(double x) { return std::fabs(x); }
inline float with_sign_of(float magnitude, float sign) { return std::copysign(magnitude, sign); }

}  // namespace lorentznet::cuda::prim
