#pragma once

#include "cuda_primitives.h"

namespace lorentznet::cuda {

// Where rows and weights stand in the registers of a warp that multiplies matrices. Lane 4 g + t
// holds rows g and g + 8 of a tile of 16 rows, and columns 2 t and 2 t + 1 of a tile of 8 columns.

inline constexpr int kWarpLanes = 32;
inline constexpr int kTileRows = 16;
inline constexpr int kTileColumns = 8;

/// The channel of a row of H that a column of a product stands for. The same map is used for the
/// positions that a product sums over, so a product's sums are the next one's operand without an
/// exchange between lanes; and a lane's channels of two neighbouring tiles are four in a row, so it
/// reads and writes them as 16 bytes.
template <int H>
struct Channels {
  static_assert(H % kTileColumns == 0);
  static constexpr int kTiles = H / kTileColumns;
  static constexpr int kPairs = kTiles / 2;  ///< of tiles that share 16 channels
  static constexpr bool kOdd = kTiles % 2 != 0;

  /// Columns q = 0 and 1 of lane t of a quad in tile n.
  static __host__ __device__ constexpr int at(int n, int t, int q) {
    return 16 * (n / 2) + (n < 2 * kPairs ? 4 : 2) * t + 2 * (n % 2) + q;
  }
  /// Column 0 to 7 of tile n.
  static __host__ __device__ constexpr int of_column(int n, int column) {
    return at(n, column / 2, column % 2);
  }
};

/// Where register r of `count` stands for a lane, so that a warp reads them in vectors of up to 16
/// bytes: the lanes' vectors of `widest` registers side by side, then narrower ones for the rest.
__host__ __device__ constexpr int slot(int count, int r, int lane, int widest) {
  int start = 0, width = widest;
  while (true) {
    while (width > count - start) width /= 2;
    if (r < start + width) return start * kWarpLanes + lane * width + (r - start);
    start += width;
  }
}

/// Floats between rows in shared memory: an odd multiple of 16, so that reads of 16 bytes of two
/// neighbouring rows use different banks.
constexpr int padded_row(int floats) { return (floats + 15) / 32 * 32 + 16; }

/// psi is computed in units of it.
inline constexpr double kLn2 = 0.693147180559945309;

/// The order of a matrix's registers: for each position all columns, or for each column all
/// positions. Tiles that share channels go together.
enum class WeightOrder { kByPositions, kByColumns };

/// Where a lane's register of [H, H] weights for column tile n and position tile k stands.
template <int H>
__host__ __device__ constexpr int fragment_at(WeightOrder order, int n, int k, int lane,
                                              int widest) {
  constexpr int kTiles = Channels<H>::kTiles, kShared = 2 * Channels<H>::kPairs;
  const int columns = n < kShared ? 2 : 1, positions = k < kShared ? 2 : 1;
  const int column = n % columns, position = k % positions;
  const int first_n = n - column, first_k = k - position;
  const int before = order == WeightOrder::kByPositions ? first_k * kTiles + first_n * positions
                                                        : first_n * kTiles + first_k * columns;
  return before * kWarpLanes +
         slot(columns * positions, column * positions + position, lane, widest);
}
/// Registers of such a matrix.
template <int H>
inline constexpr int kMatrixFragments = Channels<H>::kTiles* Channels<H>::kTiles* kWarpLanes;

/// One of them: of column tile n and position tile k, a lane's weights of an output and two inputs.
template <int H>
struct MatrixRegister {
  int n, k, lane;

  /// \param number  from 0 to kMatrixFragments<H> - 1
  __host__ __device__ constexpr explicit MatrixRegister(int number)
      : n(number / kWarpLanes / Channels<H>::kTiles),
        k(number / kWarpLanes % Channels<H>::kTiles),
        lane(number % kWarpLanes) {}
  __host__ __device__ constexpr int output() const { return Channels<H>::of_column(n, lane / 4); }
  __host__ __device__ constexpr int input(int q) const { return Channels<H>::at(k, lane % 4, q); }
};

template <typename T, int Bytes>
struct alignas(Bytes) RegisterVector {
  T of[Bytes / sizeof(T)];
};

/// Reads a lane's `Count` registers from the order of slot().
/// \return behind them
template <typename T, int Count>
__device__ __forceinline__ const T* take_registers(const T* from, int lane, T (&to)[Count]) {
  constexpr int kWidest = 16 / sizeof(T), kDone = Count / kWidest * kWidest;
  static_assert(kWidest == 2 || kWidest == 4);
#pragma unroll
  for (int first = 0; first < kDone; first += kWidest) {
    const auto* const at = from + first * kWarpLanes + lane * kWidest;
    const auto vector = *reinterpret_cast<const RegisterVector<T, 16>*>(at);
#pragma unroll
    for (int k = 0; k < kWidest; ++k) to[first + k] = vector.of[k];
  }
  if constexpr (kWidest == 4 && Count - kDone >= 2) {
    const auto* const at = from + kDone * kWarpLanes + lane * 2;
    const auto vector = *reinterpret_cast<const RegisterVector<T, 8>*>(at);
    to[kDone] = vector.of[0];
    to[kDone + 1] = vector.of[1];
  }
  if constexpr (Count % 2 != 0) to[Count - 1] = from[(Count - 1) * kWarpLanes + lane];
  return from + Count * kWarpLanes;
}

}  // namespace lorentznet::cuda
