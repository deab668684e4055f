#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// CUDA's own names, as far as kernels use them, for g++. They are global there too.

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};

using std::max;
using std::min;

namespace lorentznet::cuda::emu {

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

}  // namespace lorentznet::cuda::emu

// Of the emulated thread that runs on this thread.
inline constinit thread_local lorentznet::cuda::emu::Dim threadIdx, blockIdx, blockDim, gridDim;
