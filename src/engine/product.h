#pragma once

#include "engine/jet_arrays.h"

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

/// The same for products of kChannels channels a lane; an odd last channel is joined with zero.
template <typename Simd>
void pack_joined(const typename Simd::Scalar* weights, int outputs, int inputs,
                 typename Simd::Scalar* packed) {
  if constexpr (Simd::kChannels == 1) {
    pack_weights<Simd>(weights, inputs, 1, outputs, inputs, packed);
  } else {
    using V = Vector<Simd>;
    const int joined = (inputs + 1) / 2;
    Buffer<Simd, typename Simd::Scalar> pairs(static_cast<long>(outputs) * joined);
    for (int k = 0; k < outputs; ++k) {
      for (int c = 0; c < joined; ++c) {
        const auto* two = weights + static_cast<long>(k) * inputs + 2 * c;
        const auto second = 2 * c + 1 < inputs ? two[1] : 0;
        const V both = Simd::join(broadcast<V>(two[0]), broadcast<V>(second));
        pairs[k * joined + c] = both[0];
      }
    }
    pack_weights<Simd>(pairs.get(), joined, 1, outputs, joined, packed);
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

/// The same inputs as products of type Dot take them: as they are, or two channels joined, in
/// `joined`, an odd last one with zero.
template <typename Simd, typename Dot, int R>
[[gnu::always_inline]] inline Inputs<Dot> dot_inputs(const Inputs<Simd>& in,
                                                     typename Simd::Scalar* joined) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  if constexpr (Dot::kChannels == 1) {
    return {in.x, in.step, in.apart, in.channels};
  } else {
    auto* to = joined;
    const auto* x = in.x;
    for (int c = 0; c < in.channels; c += 2, x += 2 * in.step, to += R * N) {
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const V even = load<V>(x + r * in.apart);
        const V odd = c + 1 < in.channels ? load<V>(x + in.step + r * in.apart) : V{};
        store(to + r * N, Dot::join(even, odd));
      });
    }
    return {joined, R * N, N, (in.channels + 1) / 2};
  }
}

/// sum_c weights[k][c] x[c] of one block of K outputs and R vectors, handed to
/// epilogue(k, sums[R], carry[R]) for each k; `carry` goes from output to output in registers.
template <typename Simd, int R, int K, typename Epilogue>
[[gnu::always_inline]] inline void product_block(const Inputs<Simd>& in,
                                                 const typename Simd::Scalar* packed, int first,
                                                 Vector<Simd>* carry, const Epilogue& epilogue) {
  using V = Vector<Simd>;
  V sums[K][R] = {};
  const auto* x = in.x;
  for (int c = 0; c < in.channels; ++c, x += in.step, packed += K) {
    V inputs[R];
    unroll<R>([&](auto r)
                  __attribute__((always_inline)) { inputs[r] = load<V>(x + r * in.apart); });
    unroll<K>([&](auto k) __attribute__((always_inline)) {
      const V weight = broadcast<V>(packed[k]);
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        sums[k][r] = Simd::multiply_add(sums[k][r], weight, inputs[r]);
      });
    });
  }
  V carried[R];
  unroll<R>([&](auto r) __attribute__((always_inline)) { carried[r] = carry[r]; });
  unroll<K>([&](auto k) __attribute__((always_inline)) { epilogue(first + k, sums[k], carried); });
  unroll<R>([&](auto r) __attribute__((always_inline)) { carry[r] = carried[r]; });
}

/// product_block with `size` outputs, one of kFewestOutputs ... kOutputs.
template <typename Simd, int R, int K, typename Epilogue>
[[gnu::always_inline]] inline void product_block_of_size(int size, const Inputs<Simd>& in,
                                                         const typename Simd::Scalar* packed,
                                                         int first, Vector<Simd>* carry,
                                                         const Epilogue& epilogue) {
  if constexpr (K >= kFewestOutputs<Simd>) {
    if (size == K) return product_block<Simd, R, K>(in, packed, first, carry, epilogue);
    product_block_of_size<Simd, R, K - 1>(size, in, packed, first, carry, epilogue);
  }
}

/// All outputs: epilogue(k, sums, carry) with sums[r] = sum_c weights[k][c] x[c] for R vectors.
/// \param packed  by pack_weights
/// \param carry   [R] what the epilogue adds up over the outputs
template <typename Simd, int R, typename Epilogue>
[[gnu::noinline]] void product(const Inputs<Simd>& in, const typename Simd::Scalar* packed,
                               int outputs, Vector<Simd>* carry, const Epilogue& epilogue) {
  const OutputBlocks blocks(outputs, Simd::kOutputs);
  for (int block = 0, first = 0; block < blocks.count; ++block) {
    const int size = blocks.size + (block < blocks.larger);
    product_block_of_size<Simd, R, Simd::kOutputs>(size, in, packed, first, carry, epilogue);
    packed += size * in.channels;
    first += size;
  }
}

/// Where the epilogue adds up nothing: epilogue(k, sums).
template <typename Simd, int R, typename Epilogue>
[[gnu::always_inline]] inline void product(const Inputs<Simd>& in,
                                           const typename Simd::Scalar* packed, int outputs,
                                           const Epilogue& epilogue) {
  using V = Vector<Simd>;
  V none[R] = {};
  product<Simd, R>(
      in, packed, outputs,
      none, [&](int k, const V* sums, V*) __attribute__((always_inline)) { epilogue(k, sums); });
}

}  // namespace lorentznet::fused
