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
  static constexpr int kMost = 24;
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
      for (int k = 0; k < count; ++k) blocks += of_columns(of[k].columns);
      return static_cast<unsigned>(blocks);
    }
  };
  static constexpr int kSlices = 16;  ///< a slice has every 16th part
  static constexpr int kThreads = kSlices * kWarpLanes, kMinBlocks = 1;
  static std::size_t shared_bytes() { return kThreads * sizeof(double) + prim::redzone(); }

  static __device__ __forceinline__ void run(const Params& p) {
    int block = static_cast<int>(blockIdx.x), which = 0;
    while (block >= of_columns(p.of[which].columns)) block -= of_columns(p.of[which++].columns);
    const PartialSum& from = p.of[which];
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarpLanes, slice = thread / kWarpLanes;
    const int column = block * kWarpLanes + lane;
    prim::Carver carver;
    auto* const of_slices = carver.template take<double>(kThreads);
    double sum = 0;
    if (column < from.columns) {
      sum = from.doubles ? add_slice(from, from.doubles, column, slice)
                         : add_slice(from, from.floats, column, slice);
    }
    of_slices[thread] = sum;
    __syncthreads();
    if (slice != 0 || column >= from.columns) return;
    for (int k = 1; k < kSlices; ++k) sum += of_slices[k * kWarpLanes + lane];
    if (from.sums) from.sums[column] = sum;
    if (!from.gradient) return;
    const long row = column / from.width;
    from.gradient[row * from.stride + column % from.width] = static_cast<float>(sum);
  }

 private:
  static __host__ __device__ constexpr int of_columns(int columns) {
    return (columns + kWarpLanes - 1) / kWarpLanes;
  }
  template <typename T>
  static __device__ __forceinline__ double add_slice(const PartialSum& from, const T* parts,
                                                     int column, int slice) {
    double sum = 0;
#pragma unroll 4
    for (int part = slice; part < from.parts; part += kSlices) {
      sum += parts[static_cast<long>(part) * from.columns + column];
    }
    return sum;
  }
};

}  // namespace lorentznet::cuda
