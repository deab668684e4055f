#pragma once

#include "cuda_primitives.h"

// The smallest kernel with all that the others have: C = A B through fragments. An example of how a
// kernel is written, and what the emulator's own tests run.

namespace lorentznet::cuda {

/// C = A B, with A [16 tiles][K], B [K][8 columns a warp], row by row. A block has one tile of A.
template <class Format, int K>
struct Product {
  struct Params {
    int columns;  ///< of B and C: a multiple of 8, at most those of a block's warps
    const float *a, *b;
    float* c;
  };
  static constexpr int kThreads = 128, kMinBlocks = 1;
  static constexpr int kStride = K + 4;  ///< floats between rows of A: each row in other banks
  static_assert(K % 8 == 0);

  static std::size_t shared_bytes() { return 16 * kStride * sizeof(float) + prim::redzone(); }

  static __device__ void run(const Params& p) {
    using Pair = typename Format::Pair;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int g = lane / 4, t = lane % 4;
    prim::Carver carve;
    float* a = carve.take<float>(16 * kStride);
    for (int k = threadIdx.x; k < 16 * K / 4; k += kThreads) {
      const int row = k / (K / 4), column = k % (K / 4) * 4;
      prim::copy_async16(a + row * kStride + column, p.a + (16 * blockIdx.x + row) * K + column);
    }
    prim::copy_async_wait();
    __syncthreads();
    if (8 * warp >= p.columns) return;

    const float* b = p.b + 8 * warp + g;
    const auto of_a = [&](int row, int k) {
      return Format::pack(a[row * kStride + k], a[row * kStride + k + 1]);
    };
    const auto of_b = [&](int k) { return Format::pack(b[k * p.columns], b[(k + 1) * p.columns]); };
    float sum[4] = {};
    int k = 2 * t;
#pragma unroll
    for (int step = 0; step < K / 16; ++step, k += 16) {
      const Pair rows[4] = {of_a(g, k), of_a(g + 8, k), of_a(g, k + 8), of_a(g + 8, k + 8)};
      Format::mma16(sum, rows, of_b(k), of_b(k + 8));
    }
    if constexpr (K % 16 != 0) Format::mma8(sum, of_a(g, k), of_a(g + 8, k), of_b(k));
    for (int h = 0; h < 2; ++h) {
      float* c = p.c + (16 * blockIdx.x + g + 8 * h) * p.columns + 8 * warp + 2 * t;
      *reinterpret_cast<float2*>(c) = float2{sum[2 * h], sum[2 * h + 1]};
    }
  }
};

}  // namespace lorentznet::cuda
