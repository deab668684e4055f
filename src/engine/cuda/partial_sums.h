#pragma once

#include <cstddef>
#include <stdexcept>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// A sum of the parts that the blocks of a launch have written, column by column.
struct PartialSum {
  int parts, columns;
  const double* doubles;  ///< [parts, columns]
  const float* floats;    ///< the same, if `doubles` is null
  double* sums;           ///< [columns]; may be null
  /// Where the sums go as floats, in rows of `width` that are `stride` apart; may be null.
  float* gradient;
  int width, stride;
};

/// sums[c] = sum_k parts[k][c] of several PartialSums, in double and in an order that depends on
/// the number of parts alone.
struct AddPartials {
  static constexpr int kMost = 48;
  struct Params {
    int count = 0;
    PartialSum of[kMost];

    /// Of doubles that stay doubles.
    void add(int parts, int columns, const double* partial, double* sums) {
      add({parts, columns, partial, nullptr, sums, nullptr, columns, columns});
    }
    /// \throws std::logic_error if there are more than kMost
    void add(const PartialSum& sum) {
      if (count == kMost) throw std::logic_error("more partial sums than a launch adds");
      of[count++] = sum;
    }
    /// Of a launch.
    unsigned blocks() const {
      int blocks = 0;
      for (int k = 0; k < count; ++k) blocks += blocks_of(of[k]);
      return static_cast<unsigned>(blocks);
    }
  };
  static constexpr int kThreads = 512, kMinBlocks = 1;
  static std::size_t shared_bytes() { return kThreads * sizeof(double) + prim::redzone(); }

  static __device__ __forceinline__ void run(const Params& p) {
    int block = static_cast<int>(blockIdx.x), which = 0;
    while (block >= blocks_of(p.of[which])) block -= blocks_of(p.of[which++]);
    const PartialSum& from = p.of[which];
    const int thread = static_cast<int>(threadIdx.x);
    const int width = columns_at_once(from.parts), slices = kThreads / width;
    const int slice = thread / width, column = block * width + thread % width;
    prim::Carver carver;
    auto* const of_slices = carver.template take<double>(kThreads);
    double sum = 0;
    if (column < from.columns) {
      sum = from.doubles ? add_slice(from, from.doubles, column, slice, slices)
                         : add_slice(from, from.floats, column, slice, slices);
    }
    of_slices[thread] = sum;
    __syncthreads();
    if (slice != 0 || column >= from.columns) return;
    for (int k = 1; k < slices; ++k) sum += of_slices[k * width + thread];
    if (from.sums) from.sums[column] = sum;
    if (!from.gradient) return;
    const long row = column / from.width;
    from.gradient[row * from.stride + column % from.width] = static_cast<float>(sum);
  }

 private:
  /// Columns that a block adds. Its other threads share the parts: every slices-th is one slice's.
  static __host__ __device__ constexpr int columns_at_once(int parts) {
    return parts > 256 ? 8 : 32;
  }
  static __host__ __device__ constexpr int blocks_of(const PartialSum& sum) {
    const int width = columns_at_once(sum.parts);
    return (sum.columns + width - 1) / width;
  }
  template <typename T>
  static __device__ __forceinline__ double add_slice(const PartialSum& from, const T* parts,
                                                     int column, int slice, int slices) {
    double sum = 0;
#pragma unroll 4
    for (int part = slice; part < from.parts; part += slices) {
      sum += parts[static_cast<long>(part) * from.columns + column];
    }
    return sum;
  }
};

}  // namespace lorentznet::cuda
