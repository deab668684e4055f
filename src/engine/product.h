#pragma once

#include "engine/scratch.h"
#include "engine/simd.h"

namespace lorentznet::fused {

// The one product of the kernel: rows of outputs, each a sum of rows of weights, of which those of
// inputs that are zero are left out. (fma(0, w, sum) is sum, so this changes no bit.) After a relu
// most inputs are zero.

/// The sums of U * kUnit channels of a row, in registers.
template <typename S, int U>
struct RowSums {
  using T = typename S::Scalar;
  using V = Vector<S>;
  using Half = typename S::Half;
  static constexpr int N = S::kLanes, kWhole = U * kUnit / N;
  static constexpr bool kHasHalf = U * kUnit % N != 0;

  V whole[kWhole == 0 ? 1 : kWhole] = {};
  Half half{};

  /// f(vector, its first channel)
  template <typename F>
  [[gnu::always_inline]] void each(F f) {
    unroll<kWhole>([&](auto k) __attribute__((always_inline)) { f(whole[k], k * N); });
    if constexpr (kHasHalf) f(half, kWhole * N);
  }
  /// Adds x * row.
  [[gnu::always_inline]] void add(T x, const T* row) {
    const V factor = broadcast<V>(x);
    unroll<kWhole>([&](auto k) __attribute__((always_inline)) {
      whole[k] = S::fma(factor, load<V>(row + k * N), whole[k]);
    });
    if constexpr (kHasHalf) half = S::fma(S::low(factor), load<Half>(row + kWhole * N), half);
  }
  [[gnu::always_inline]] void load_from(const T* row) {
    each([&](auto& value, int at) __attribute__((always_inline)) {
      value = load<std::remove_reference_t<decltype(value)>>(row + at);
    });
  }
  [[gnu::always_inline]] void store_to(T* row) {
    each([&](auto& value, int at) __attribute__((always_inline)) { store(row + at, value); });
  }
};

/// The inputs of `rows` rows: element c of row k is x[k * row_step + c * step], and it is zero
/// unless bit c of the row's mask is set.
template <typename T>
struct Inputs {
  const T* x;
  long row_step, step;
  const std::uint64_t* mask;  ///< row k's at mask + k * words, or, if `one_mask`, at mask
  int words;
  bool one_mask = false;
};

/// f(std::integral_constant<int, units>{}), 1 <= units <= Most.
template <int Most, typename F>
[[gnu::always_inline]] inline void with_units(int units, F f) {
  if constexpr (Most > 1) {
    if (units < Most) return with_units<Most - 1>(units, f);
  }
  f(std::integral_constant<int, Most>{});
}

/// The outputs from `first` on, of R rows from `row` on, whose inputs are left out if they are zero
/// in all of them.
template <typename S, int U, int R, typename Begin, typename Finish>
[[gnu::always_inline]] inline void product_rows(const Inputs<typename S::Scalar>& in, int row,
                                                const typename S::Scalar* weights, long weight_step,
                                                int first, const Begin& begin,
                                                const Finish& finish) {
  const auto* const x = in.x + row * in.row_step;
  const std::uint64_t* const mask = in.mask + (in.one_mask ? 0 : row * in.words);
  RowSums<S, U> sums[R];
  unroll<R>([&](auto r) __attribute__((always_inline)) { begin(row + r, first, sums[r]); });
  for (int word = 0; word < in.words; ++word) {
    const auto* const inputs = x + static_cast<long>(word) * kWord * in.step;
    const auto* const lines = weights + first + static_cast<long>(word) * kWord * weight_step;
    auto bits = mask[word];
    for (int r = 1; r < R && !in.one_mask; ++r) bits |= mask[r * in.words + word];
    for (; bits != 0; bits &= bits - 1) {
      const int c = __builtin_ctzl(bits);
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        sums[r].add(inputs[r * in.row_step + c * in.step], lines + c * weight_step);
      });
    }
  }
  unroll<R>([&](auto r) __attribute__((always_inline)) { finish(row + r, first, sums[r]); });
}

/// Rows that are done at once: where a row's sums take few registers, several share the loads of
/// weights and the end of the loop over inputs, which no processor predicts.
template <typename S, int U>
inline constexpr int kRowsAtOnce = S::kLanes == 4 ? 1 : (U <= 2 ? 4 : (U <= 4 ? 2 : 1));

/// The same of all rows.
template <typename S, int U, typename Begin, typename Finish>
[[gnu::noinline]] void product_block(const Inputs<typename S::Scalar>& in, int rows,
                                     const typename S::Scalar* weights, long weight_step, int first,
                                     Begin begin, Finish finish) {
  constexpr int R = kRowsAtOnce<S, U>;
  int row = 0;
  for (; row + R <= rows; row += R) {
    product_rows<S, U, R>(in, row, weights, weight_step, first, begin, finish);
  }
  for (; R > 1 && row < rows; ++row) {
    product_rows<S, U, 1>(in, row, weights, weight_step, first, begin, finish);
  }
}

/// For each row begin(row, first, sums), which sets the sums of the outputs from `first` on; then
/// sums += x[c] weights[c] for the row's inputs c in rising order; then finish(row, first, sums).
/// All rows are done block by block of outputs, so that a block's weights stay in the cache.
/// `begin` and `finish` hold what they need by value: stores to masks may alias everything else.
/// \param weights  rows of padded(outputs)
template <typename S, typename Begin, typename Finish>
[[gnu::always_inline]] inline void product(const Inputs<typename S::Scalar>& in, int rows,
                                           const typename S::Scalar* weights, int outputs,
                                           const Begin& begin, const Finish& finish) {
  const int units = (outputs + kUnit - 1) / kUnit;
  const int blocks = (units + S::kMostUnits - 1) / S::kMostUnits;
  const int size = (units + 2 * blocks - 1) / (2 * blocks) * 2;  // even: Sixteen's order
  const long step = padded(outputs);
  for (int done = 0; done < units; done += size) {
    with_units<S::kMostUnits>(
        units - done < size ? units - done : size, [&]<int U>(std::integral_constant<int, U>) {
          product_block<S, U>(in, rows, weights, step, done * kUnit, begin, finish);
        });
  }
}

/// A mask of `width` elements, all of them set.
template <typename S>
void set_all(int width, std::uint64_t* mask) {
  for (int word = 0; word < words_of(width); ++word) {
    const int left = width - word * kWord;
    mask[word] = left >= kWord ? ~0UL : (1UL << left) - 1;
  }
}

/// The bits of a mask from `first` on, a multiple of 8, as bytes.
[[gnu::always_inline]] inline unsigned char* bytes_of(std::uint64_t* mask, int first) {
  return reinterpret_cast<unsigned char*>(mask) + first / 8;
}
[[gnu::always_inline]] inline const unsigned char* bytes_of(const std::uint64_t* mask, int first) {
  return reinterpret_cast<const unsigned char*>(mask) + first / 8;
}
/// Sets as many bits from `at` on as V has elements, in rising order.
template <typename V>
[[gnu::always_inline]] inline void put_bits(unsigned char* bytes, int at, unsigned bits) {
  constexpr int N = sizeof(V) / sizeof(V{}[0]);
  bytes += at / 8;
  if (N == 4 && at % 8 != 0) bits = *bytes | bits << 4U;
  __builtin_memcpy(bytes, &bits, N == 16 ? 2 : 1);
}
template <typename V>
[[gnu::always_inline]] inline unsigned bits_at(const unsigned char* bytes, int at) {
  constexpr int N = sizeof(V) / sizeof(V{}[0]);
  unsigned bits = 0;
  __builtin_memcpy(&bits, bytes + at / 8, N == 16 ? 2 : 1);
  return N == 4 ? bits >> static_cast<unsigned>(at % 8) & 15U : bits;
}

}  // namespace lorentznet::fused
