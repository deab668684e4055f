#include "formats.h"

namespace lorentznet::cuda::prim {
namespace {

template <class Format>
struct MmaOperands {
  float* d;
  const typename Format::Pair *a, *b;
};

/// PTX ISA, "Matrix Fragments for mma.m16n8k8" and "... mma.m16n8k16": lane 4 g + t has, as its
/// pair r of A, row g + 8 (r % 2), columns 2 t + 8 (r / 2) and the next; as its pair r of B, column
/// g, rows 2 t + 8 r and the next; and as number r of C, row g + 8 (r / 2), column 2 t + r % 2.
template <class Format, int K>
void multiply(void* const* lanes) {
  float a[16][K], b[K][8], sum[16][8] = {};
  for (int lane = 0; lane < 32; ++lane) {
    const auto& from = *static_cast<const MmaOperands<Format>*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < K / 4; ++r) {
      float* to = &a[g + 8 * (r % 2)][2 * t + 8 * (r / 2)];
      to[0] = Format::low(from.a[r]);
      to[1] = Format::high(from.a[r]);
    }
    for (int r = 0; r < K / 8; ++r) {
      b[2 * t + 8 * r][g] = Format::low(from.b[r]);
      b[2 * t + 8 * r + 1][g] = Format::high(from.b[r]);
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < K; ++k) {
      for (int column = 0; column < 8; ++column) sum[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    float* d = static_cast<const MmaOperands<Format>*>(lanes[lane])->d;
    const int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; ++r) d[r] += sum[g + 8 * (r / 2)][2 * t + r % 2];
  }
}

}  // namespace

template <class Format, int K>
void mma(float (&d)[4], const typename Format::Pair* a, const typename Format::Pair* b,
         Location here) {
  MmaOperands<Format> operands{d, a, b};
  emu::warp_meet(&operands, here, multiply<Format, K>);
}

template void mma<F16, 8>(float (&)[4], const F16::Pair*, const F16::Pair*, Location);
template void mma<F16, 16>(float (&)[4], const F16::Pair*, const F16::Pair*, Location);
template void mma<Bf16, 8>(float (&)[4], const Bf16::Pair*, const Bf16::Pair*, Location);
template void mma<Bf16, 16>(float (&)[4], const Bf16::Pair*, const Bf16::Pair*, Location);
template void mma<Exact, 8>(float (&)[4], const Exact::Pair*, const Exact::Pair*, Location);
template void mma<Exact, 16>(float (&)[4], const Exact::Pair*, const Exact::Pair*, Location);

}  // namespace lorentznet::cuda::prim
