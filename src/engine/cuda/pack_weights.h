#pragma once

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// Packs matrices [H, H] on the device, as append_fragments() does on the host: in training,
/// weights change at every step. A block a matrix: a part of PackNetwork.
template <typename Op, int H>
struct PackWeights {
  using Pair = typename Op::Pair;

  struct Matrix {
    /// of output c and input k: weights[c output_step + k input_step]
    const float* weights;
    int output_step, input_step;  ///< exchanged for the product with the transposed matrix
    WeightOrder order;
    Pair* to;  ///< [kMatrixFragments<H>]; null: `transposed` is written
    int columns;
    float* transposed;  ///< [columns, H]
  };
  static constexpr int kThreads = 256;

  static __device__ __forceinline__ void run(const Matrix& matrix) {
    if (matrix.to == nullptr) return transpose(matrix);
    for (int k = static_cast<int>(threadIdx.x); k < kMatrixFragments<H>; k += kThreads) {
      const MatrixRegister<H> at(k);
      const float* const row = matrix.weights + static_cast<long>(at.output()) * matrix.output_step;
      const auto weight = [&](int q) {
        return row[static_cast<long>(at.input(q)) * matrix.input_step];
      };
      const int place = fragment_at<H>(matrix.order, at.n, at.k, at.lane, 16 / sizeof(Pair));
      matrix.to[place] = Op::pack(weight(0), weight(1));
    }
  }

 private:
  static __device__ __forceinline__ void transpose(const Matrix& matrix) {
    for (int k = static_cast<int>(threadIdx.x); k < matrix.columns * H; k += kThreads) {
      const long row = k % H, column = k / H;
      matrix.transposed[k] = matrix.weights[row * matrix.output_step + column * matrix.input_step];
    }
  }
};

}  // namespace lorentznet::cuda
