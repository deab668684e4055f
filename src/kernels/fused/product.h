#pragma once

#include "kernels/fused/simd.h"

namespace lorentznet::fused {

/// Outputs of a product in blocks of nearly equal size, so that none is left with few registers.
struct OutputBlocks {
  int count, size;  ///< the first `larger` blocks have one output more than `size`
  int larger;

  constexpr OutputBlocks(int outputs, int at_most)
      : count((outputs + at_most - 1) / at_most), size(outputs / count), larger(outputs % count) {}
};

/// The smallest block of 8 outputs or more.
template <typename Simd>
inline constexpr int kFewestOutputs = Simd::kOutputs / 2 + 1;

/// Weights [outputs, inputs] as a product reads them: block by block of outputs, [inputs][block].
/// \param row, column  strides of the weight of (output, input)
template <typename Simd>
void pack_weights(const typename Simd::Scalar* weights, int row, int column, int outputs,
                  int inputs, typename Simd::Scalar* packed) {
  const OutputBlocks blocks(outputs, Simd::kOutputs);
  for (int block = 0, first = 0; block < blocks.count; ++block) {
    const int size = blocks.size + (block < blocks.larger);
    for (int c = 0; c < inputs; ++c) {
      for (int k = 0; k < size; ++k) *packed++ = weights[(first + k) * row + c * column];
    }
    first += size;
  }
}

/// R vectors of inputs, `inputs` channels of each: channel c of vector r is at x[c * step + r *
/// apart], in scalars.
template <typename Simd>
struct Inputs {
  const typename Simd::Scalar* x;
  int step, apart;
  int channels;
};

/// sum_c weights[k][c] x[c] of one block of K outputs and R vectors, handed to
/// epilogue(k, sums[R]) for each k.
template <typename Simd, int R, int K, typename Epilogue>
[[gnu::always_inline]] inline void product_block(const Inputs<Simd>& in,
                                                 const typename Simd::Scalar* packed, int first,
                                                 Epilogue& epilogue) {
  using V = Vector<Simd>;
  V sums[K][R] = {};
  const auto* x = in.x;
  for (int c = 0; c < in.channels; ++c, x += in.step, packed += K) {
    V inputs[R];
    unroll<R>([&](auto r)
                  __attribute__((always_inline)) { inputs[r] = load<V>(x + r * in.apart); });
    unroll<K>([&](auto k) __attribute__((always_inline)) {
      const V weight = broadcast<V>(packed[k]);
      unroll<R>([&](auto r) __attribute__((always_inline)) { sums[k][r] += weight * inputs[r]; });
    });
  }
  unroll<K>([&](auto k) __attribute__((always_inline)) { epilogue(first + k, sums[k]); });
}

/// product_block with `size` outputs, one of kOutputs / 2 + 1 ... kOutputs.
template <typename Simd, int R, int K, typename Epilogue>
[[gnu::always_inline]] inline void product_block_of_size(int size, const Inputs<Simd>& in,
                                                         const typename Simd::Scalar* packed,
                                                         int first, Epilogue& epilogue) {
  if constexpr (K >= kFewestOutputs<Simd>) {
    if (size == K) return product_block<Simd, R, K>(in, packed, first, epilogue);
    product_block_of_size<Simd, R, K - 1>(size, in, packed, first, epilogue);
  }
}

/// All outputs: epilogue(k, sums) with sums[r] = sum_c weights[k][c] x[c] for R vectors.
/// \param packed  by pack_weights
template <typename Simd, int R, typename Epilogue>
[[gnu::noinline]] void product(const Inputs<Simd>& in, const typename Simd::Scalar* packed,
                               int outputs, Epilogue epilogue) {
  const OutputBlocks blocks(outputs, Simd::kOutputs);
  for (int block = 0, first = 0; block < blocks.count; ++block) {
    const int size = blocks.size + (block < blocks.larger);
    product_block_of_size<Simd, R, Simd::kOutputs>(size, in, packed, first, epilogue);
    packed += size * in.channels;
    first += size;
  }
}

}  // namespace lorentznet::fused
