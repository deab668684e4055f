#pragma once

#include <new>

#include "kernels/fused/simd.h"

namespace lorentznet::fused {

inline constexpr unsigned long kAlignment = 128;  ///< of Doubles<Avx512>

/// Memory of `count` elements, zero, aligned for every vector.
template <typename Simd, typename T>
class Buffer {
 public:
  explicit Buffer(long count)
      : bytes_(static_cast<unsigned long>(count) * sizeof(T)),
        data_(static_cast<T*>(operator new (bytes_, std::align_val_t{kAlignment}))) {
    clear();
  }
  ~Buffer() { operator delete (data_, std::align_val_t{kAlignment}); }
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
};

/// rows[i][c] * factor[c] + offset[c] into blocks. \param stride of a row; offset may be null
template <typename Simd, typename T>
void rows_to_blocks(const JetShape<Simd>& shape, const T* rows, int stride, int channels,
                    const T* factor, const T* offset, T* blocks) {
  constexpr int N = Simd::kLanes;
  for (int i = 0; i < shape.n; ++i) {
    T* to = blocks + static_cast<long>(i / N) * channels * N + i % N;
    const T* row = rows + static_cast<long>(i) * stride;
    for (int c = 0; c < channels; ++c) {
      const T value = factor == nullptr ? row[c] : row[c] * factor[c];
      to[static_cast<long>(c) * N] = offset == nullptr ? value : value + offset[c];
    }
  }
}

template <typename Simd, typename T>
void blocks_to_rows(const JetShape<Simd>& shape, const T* blocks, int channels, T* rows,
                    int stride) {
  constexpr int N = Simd::kLanes;
  for (int i = 0; i < shape.n; ++i) {
    const T* from = blocks + static_cast<long>(i / N) * channels * N + i % N;
    for (int c = 0; c < channels; ++c)
      rows[static_cast<long>(i) * stride + c] = from[static_cast<long>(c) * N];
  }
}

}  // namespace lorentznet::fused
