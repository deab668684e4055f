#pragma once

#include "engine/scratch.h"
#include "engine/transpose.h"

namespace lorentznet::fused {

/// Says that a Buffer's elements are all written before they are read.
struct Unset {};

/// Scratch memory of `count` elements, zero unless said otherwise, aligned for every vector.
template <typename Simd, typename T>
class Buffer {
 public:
  Buffer(long count, Unset)
      : bytes_(static_cast<unsigned long>(count) * sizeof(T)),
        data_(static_cast<T*>(take_scratch(bytes_))) {}
  explicit Buffer(long count) : Buffer(count, Unset{}) { clear(); }
  ~Buffer() { give_back_scratch(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void clear() { __builtin_memset(data_, 0, bytes_); }
  T* get() { return data_; }
  const T* get() const { return data_; }
  T& operator[](long at) { return data_[at]; }
  const T& operator[](long at) const { return data_[at]; }

 private:
  unsigned long bytes_;
  T* data_;
};

/// n constituents in blocks of kLanes. Node arrays are [block][channel][kLanes]; arrays of pairs
/// are dense, [sender][receiver], with `padded` receivers a row.
template <typename Simd>
struct JetShape {
  int n, blocks, padded;
  int full;  ///< blocks in which every lane is a constituent
  int left;  ///< constituents of the last block, if it is not full

  explicit JetShape(int constituents)
      : n(constituents),
        blocks((n + Simd::kLanes - 1) / Simd::kLanes),
        padded(blocks * Simd::kLanes),
        full(n / Simd::kLanes),
        left(n % Simd::kLanes) {}

  /// Constituents of a block.
  int rows_of(int block) const { return block < full ? Simd::kLanes : left; }
};

/// Zero in a dense array [sender][receiver]: what is no edge is read, though it counts nowhere.
template <typename Simd, typename T>
void clear_pairs(const JetShape<Simd>& shape, T* pairs) {
  __builtin_memset(pairs, 0, static_cast<unsigned long>(shape.n * shape.padded) * sizeof(T));
}

/// f(c, rows[.][c]) into blocks. \param stride of a row
template <typename Simd, typename F>
void rows_to_blocks(const JetShape<Simd>& shape, const typename Simd::Scalar* rows, int stride,
                    int channels, typename Simd::Scalar* blocks, F f) {
  constexpr int N = Simd::kLanes;
  for (int block = 0; block < shape.blocks; ++block) {
    rows_to_lanes<Simd>({rows + static_cast<long>(block) * N * stride, stride},
                        shape.rows_of(block), channels,
                        {blocks + static_cast<long>(block) * channels * N, N}, f);
  }
}

template <typename Simd>
void blocks_to_rows(const JetShape<Simd>& shape, const typename Simd::Scalar* blocks, int channels,
                    typename Simd::Scalar* rows, int stride) {
  constexpr int N = Simd::kLanes;
  for (int block = 0; block < shape.blocks; ++block) {
    lanes_to_rows<Simd>({blocks + static_cast<long>(block) * channels * N, N}, shape.rows_of(block),
                        channels, {rows + static_cast<long>(block) * N * stride, stride});
  }
}

}  // namespace lorentznet::fused
