#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "formats.h"

// All that kernels may use, for nvcc. The same names as in tests/emulator/cuda_primitives.h, which
// is for g++; the include path chooses.

namespace lorentznet::cuda::prim {

// ---- launches ----

/// Launches of a stream run one after another.
struct Stream {
  cudaStream_t stream = nullptr;
};

namespace detail {

inline std::atomic<long> launches = 0;

/// \throws std::runtime_error with CUDA's text, unless `status` is cudaSuccess.
inline void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  throw std::runtime_error(what + ": " + cudaGetErrorString(status));
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kMinBlocks)
    start(const __grid_constant__ typename Kernel::Params params) {
  Kernel::run(params);
}

}  // namespace detail

/// Kernels started by this process.
inline long launches() { return detail::launches; }

/// The most shared memory that a block can have on the current device, in bytes.
/// \throws std::runtime_error
inline std::size_t shared_limit() {
  int device = 0, bytes = 0;
  detail::check(cudaGetDevice(&device), "no GPU");
  detail::check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                "the shared memory of GPU " + std::to_string(device));
  return static_cast<std::size_t>(bytes);
}

/// What keeps the current GPU from running the kernels, which are compiled for compute capability
/// 8.0 and later ones (cmake/Nvcc.cmake); empty: nothing.
inline std::string why_not_on_this_gpu() {
  int device = 0, major = 0, minor = 0;
  auto status = cudaGetDevice(&device);
  const auto ask = [&](cudaDeviceAttr attribute, int& value) {
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&value, attribute, device);
  };
  ask(cudaDevAttrComputeCapabilityMajor, major);
  ask(cudaDevAttrComputeCapabilityMinor, minor);
  if (status != cudaSuccess) return std::string("no GPU: ") + cudaGetErrorString(status);
  if (major >= 8) return "";
  return "the GPU has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
         ", the CUDA kernels need 8.0";
}

/// Starts Kernel::run(params) in each thread of `grid` blocks of Kernel::kThreads threads.
/// \throws std::runtime_error if the device can't run it.
template <class Kernel>
void launch(Stream stream, unsigned grid, std::size_t shared_bytes,
            const typename Kernel::Params& params) {
  constexpr std::size_t kWithoutAsking = 48 << 10;
  if (grid == 0) throw std::runtime_error("a launch needs at least one block");
  if (shared_bytes > kWithoutAsking) {
    if (const std::size_t limit = shared_limit(); shared_bytes > limit) {
      throw std::runtime_error("a kernel needs " + std::to_string(shared_bytes) +
                               " bytes of shared memory a block; this device has " +
                               std::to_string(limit));
    }
    detail::check(
        cudaFuncSetAttribute(detail::start<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes)),
        "asking for " + std::to_string(shared_bytes) + " bytes of shared memory");
  }
  detail::start<Kernel><<<grid, Kernel::kThreads, shared_bytes, stream.stream>>>(params);
  detail::check(cudaGetLastError(), "starting a kernel");
  ++detail::launches;
}

// ---- shared memory ----

/// Bytes that a launch has to add for each array that its kernel carves.
__host__ __device__ constexpr std::size_t redzone() { return 0; }

extern __shared__ __align__(16) unsigned char dynamic_shared[];

/// Divides the block's shared memory into arrays, one after another, at multiples of 16 bytes.
/// Every thread of the block makes the same calls.
class Carver {
 public:
  template <typename T>
  __device__ __forceinline__ T* take(int count) {
    offset_ = (offset_ + 15) / 16 * 16;
    auto* array = reinterpret_cast<T*>(dynamic_shared + offset_);
    offset_ += static_cast<unsigned>(sizeof(T)) * count;
    return array;
  }

 private:
  unsigned offset_ = 0;
};

/// Begins to copy 16 bytes from global to shared memory; both addresses are multiples of 16.
__device__ __forceinline__ void copy_async16(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "l"(from)
               : "memory");
}

/// Waits for all copies that this thread has begun.
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

// ---- between the blocks of a launch ----

/// The number of tickets that were taken before. Needs a __threadfence() before it, so that whoever
/// takes a later one may see what was written, and one after it, to see what others wrote.
__device__ __forceinline__ unsigned take_ticket(unsigned* tickets) {
  return atomicAdd(tickets, 1U);
}

// ---- functions of numbers ----

__device__ __forceinline__ float log2_fast(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float rcp_fast(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ double abs_double(double x) { return fabs(x); }
__device__ __forceinline__ float with_sign_of(float magnitude, float sign) {
  return copysignf(magnitude, sign);
}

}  // namespace lorentznet::cuda::prim
