#pragma once

#include <bit>

#include "cuda_primitives.h"
#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// Where the sums over edges stand among a block's partial sums: those of products, in the order of
/// their registers, then rows of H, and the sum for the gate's bias. Behind them, if H > 72, what
/// the block's lanes have summed up so far.
template <int H>
struct EdgeSumPlaces {
  static constexpr int kTiles = Channels<H>::kTiles;
  static constexpr int kRowTiles = (kTiles + 1) / 2;              ///< of 16 channels
  static constexpr int kColumnPairs = (kTiles + 2) / 2;           ///< of H channels and ones
  static constexpr int kOfPair = kRowTiles * 2 * kWarpLanes * 4;  ///< floats of a pair of tiles
  static constexpr int kOfProduct = kColumnPairs * kOfPair;
  static constexpr int kRows = 2 * kOfProduct;
  enum Row { kS, kT, kGate, kGateBias };
  static constexpr int kMostOfLane = 10 * kTiles, kWideThreads = 4 * kWarpLanes;
  static constexpr int kLanes = (kRows + kGateBias * H + 1 + 3) / 4 * 4;
  static constexpr int kEnd = kLanes + (H > 72 ? kMostOfLane * kWideThreads : 0);

  /// Of the sums of product `which`: row and column tile of 8 channels, and a lane's four.
  static __host__ __device__ constexpr int at(int which, int row_tile, int column_tile, int lane) {
    const int of_column = (column_tile / 2 * kRowTiles + row_tile) * 2 + column_tile % 2;
    return which * kOfProduct + (of_column * kWarpLanes + lane) * 4;
  }
};

/// The weights' gradients of a block: products that sum over edges. Each warp hands in its 16
/// edges, of which an operand's register is turned so that edges are what a product sums over; each
/// warp then adds all edges to its own part of the sums.
template <typename Op, int H, int kWarps>
class EdgeSums {
 public:
  using Pair = typename Op::Pair;
  using Single = typename Op::Single;
  using Places = EdgeSumPlaces<H>;
  static constexpr int kTiles = Places::kTiles;
  /// Products whose sums are in shared memory, of which an A100 has 163 kB, and which leaves the L1
  /// cache of an H100 room for the weights; a block adds those of others to its partial sums.
  static constexpr int kShared = H > 72 ? 0 : H * sizeof(Pair) > 512 ? 1 : 2;

  static unsigned long shared_bytes() {
    return kWarps * kStaged * (2 * sizeof(Pair) + sizeof(typename Single::Pair)) +
           kWarps * sizeof(int) + kShared * Places::kOfProduct * sizeof(float) +
           5 * (16 + prim::redzone());
  }

  /// \param sums  [kRows] the block's, for products that are not in shared memory
  __device__ __forceinline__ EdgeSums(prim::Carver& carve, float* sums)
      : lane_(static_cast<int>(threadIdx.x) % kWarpLanes),
        warp_(static_cast<int>(threadIdx.x) / kWarpLanes) {
    x_ = carve.template take<Pair>(kWarps * kStaged);
    y_ = carve.template take<Pair>(kWarps * kStaged);
    signs_ = carve.template take<typename Single::Pair>(kWarps * kStaged);
    active_ = carve.template take<int>(kWarps);
    sums_ = sums;
    if constexpr (kShared > 0) shared_ = carve.template take<float>(kShared * Places::kOfProduct);
    for (int k = static_cast<int>(threadIdx.x); k < Places::kRows / 4; k += kWarps * kWarpLanes) {
      const bool is_shared = 4 * k < kShared * Places::kOfProduct;
      reinterpret_cast<float4*>(is_shared ? shared_ : sums_)[k] = float4{0, 0, 0, 0};
    }
    // Behind x's channels a column of ones, so that the other operand is summed, too.
    const auto one = lane_ < 4 ? 1.0F : 0.0F;
    put_columns(x_, kTiles, Op::pack(one, one), Op::pack(one, one));
  }

  /// Whether this warp has edges to hand in.
  __device__ __forceinline__ void set_active(bool active) {
    if (lane_ == 0) active_[warp_] = active ? 1 : 0;
  }

  // Rows g (low) and g + 8 (high) of this warp's edges: channels of column tile n, as columns of a
  // product, or of the column tiles 2 m and 2 m + 1, as rows of one.
  __device__ __forceinline__ void set_x(int n, Pair low, Pair high) { turn(x_, n, low, high); }
  __device__ __forceinline__ void set_y_columns(int n, Pair low, Pair high) {
    turn(y_, n, low, high);
  }
  __device__ __forceinline__ void set_y_rows(int m, const Pair (&tiles)[kTiles][2]) {
    const auto none = Op::pack(0.0F, 0.0F);
    Pair of[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int n = 2 * m + k % 2;
      of[k] = n < kTiles ? prim::transpose8<Op>(tiles[min(n, kTiles - 1)][k / 2]) : none;
    }
    put_rows(y_, m, of);
  }
  /// \param low, high  four bits each
  __device__ __forceinline__ void set_signs(int m, unsigned low, unsigned high) {
    typename Single::Pair of[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const auto bits = 2 * m + k % 2 < kTiles ? (k < 2 ? low : high) >> 2 * (k % 2) : 0U;
      of[k] = prim::transpose8<Single>(Single::indicator(bits));
    }
    put_rows(signs_, m, of);
  }
  /// A number of each edge, behind y's columns. \param low, high  those of rows g and g + 8
  __device__ __forceinline__ void set_extra(float low, float high) {
    const bool first = lane_ % 4 == 0;
    turn(y_, kTiles, Op::pack(first ? low : 0.0F, 0.0F), Op::pack(first ? high : 0.0F, 0.0F));
  }

  /// Adds y's rows times x and ones to product 0: all of set_x and set_y_rows precede a barrier.
  __device__ __forceinline__ void add_y_x() {
    add<0>(y_, x_, [](float(&sum)[4], const Pair(&a)[4], const Pair(&b)[2]) {
      Op::mma16(sum, a, b[0], b[1]);
    });
  }
  /// Adds the signs' rows times y and its extra numbers to product 1.
  __device__ __forceinline__ void add_signs_y() {
    add<1>(signs_, y_, [](float(&sum)[4], const typename Single::Pair(&a)[4], const Pair(&b)[2]) {
      Op::mma16_single(sum, a, b[0], b[1]);
    });
  }

  /// Memory of this warp for other use, while nothing is handed in: kOwn bytes.
  static constexpr int kOwnBytes = kTiles * kWarpLanes * 2 * sizeof(Pair);
  __device__ __forceinline__ float* own(int warp) {
    return reinterpret_cast<float*>(y_ + warp * kStaged);
  }

  /// Writes those sums of the block that are in shared memory.
  __device__ __forceinline__ void store() const {
    constexpr int kEnd = kShared * Places::kOfProduct / 4;
    for (int k = static_cast<int>(threadIdx.x); k < kEnd; k += kWarps * kWarpLanes) {
      reinterpret_cast<float4*>(sums_)[k] = reinterpret_cast<const float4*>(shared_)[k];
    }
  }

 private:
  /// Registers of a warp's edges: H channels and a tile more, rows g and g + 8.
  static constexpr int kStaged = (kTiles + 1) * kWarpLanes * 2;

  // The order in which mma takes its registers: of split pairs all tops, then what they have left.
  // Columns: two pairs a tile. Rows: four of two tiles.
  template <typename T>
  static constexpr int kWords = sizeof(T) / sizeof(unsigned);

  template <typename T>
  static __device__ __forceinline__ unsigned word(const T& pair, int k) {
    if constexpr (kWords<T> == 1) {
      return pair;
    } else {
      const auto words = std::bit_cast<uint2>(pair);
      return k == 0 ? words.x : words.y;
    }
  }
  template <typename T>
  static __device__ __forceinline__ T pair_of(unsigned top, [[maybe_unused]] unsigned rest) {
    if constexpr (kWords<T> == 1) {
      return top;
    } else {
      return std::bit_cast<T>(uint2{top, rest});
    }
  }
  __device__ __forceinline__ void put_columns(Pair* to, int n, Pair low, Pair high) const {
    auto* const at = to + warp_ * kStaged + (n * kWarpLanes + lane_) * 2;
    if constexpr (kWords<Pair> == 1) {
      *reinterpret_cast<uint2*>(at) = {low, high};
    } else {
      *reinterpret_cast<uint4*>(at) = {word(low, 0), word(high, 0), word(low, 1), word(high, 1)};
    }
  }
  __device__ __forceinline__ void turn(Pair* to, int n, Pair low, Pair high) const {
    put_columns(to, n, prim::transpose8<Op>(low), prim::transpose8<Op>(high));
  }
  __device__ __forceinline__ void get_columns(const Pair* from, int warp, int n,
                                              Pair (&to)[2]) const {
    const auto* const at = from + warp * kStaged + (n * kWarpLanes + lane_) * 2;
    if constexpr (kWords<Pair> == 1) {
      const auto words = *reinterpret_cast<const uint2*>(at);
      to[0] = words.x, to[1] = words.y;
    } else {
      const auto words = *reinterpret_cast<const uint4*>(at);
      to[0] = pair_of<Pair>(words.x, words.z), to[1] = pair_of<Pair>(words.y, words.w);
    }
  }
  template <typename T>
  __device__ __forceinline__ void put_rows(T* to, int m, const T (&of)[4]) const {
    auto* const at = reinterpret_cast<uint4*>(to + warp_ * kStaged + m * 4 * kWarpLanes) + lane_;
#pragma unroll
    for (int k = 0; k < kWords<T>; ++k) {
      at[k * kWarpLanes] = {word(of[0], k), word(of[1], k), word(of[2], k), word(of[3], k)};
    }
  }
  template <typename T>
  __device__ __forceinline__ void get_rows(const T* from, int warp, int m, T (&to)[4]) const {
    const auto* const at =
        reinterpret_cast<const uint4*>(from + warp * kStaged + m * 4 * kWarpLanes) + lane_;
    const auto top = at[0], rest = at[(kWords<T> - 1) * kWarpLanes];
    to[0] = pair_of<T>(top.x, rest.x), to[1] = pair_of<T>(top.y, rest.y);
    to[2] = pair_of<T>(top.z, rest.z), to[3] = pair_of<T>(top.w, rest.w);
  }

  /// A warp takes pairs of column tiles, and half of the row tiles.
  template <int kWhich, typename A, typename Multiply>
  __device__ __forceinline__ void add(const A* rows, const Pair* columns,
                                      const Multiply& multiply) {
    constexpr int kHalf = (Places::kRowTiles + 1) / 2, kUnits = 2 * Places::kColumnPairs;
    // The second product begins with the last warps, which have less of the first.
#pragma unroll 1
    for (int unit = kWhich == 0 ? warp_ : kWarps - 1 - warp_; unit < kUnits; unit += kWarps) {
      const int n = unit / 2 * 2, first = unit % 2 * kHalf,
                count = min(kHalf, Places::kRowTiles - first);
      float sum[kHalf][2][4] = {};
#pragma unroll 1
      for (int warp = 0; warp < kWarps; ++warp) {
        if (active_[warp] == 0) continue;
        Pair b[2][2];
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          get_columns(columns, warp, min(n + c, kTiles), b[c]);
        }
#pragma unroll
        for (int m = 0; m < kHalf; ++m) {
          if (m >= count) continue;
          A a[4];
          get_rows(rows, warp, first + m, a);
          multiply(sum[m][0], a, b[0]);
          multiply(sum[m][1], a, b[1]);
        }
      }
      add_sums<kWhich>(sum, n, first, count);
    }
  }

  template <int kWhich, int kHalf>
  __device__ __forceinline__ void add_sums(const float (&sum)[kHalf][2][4], int n, int first,
                                           int count) const {
#pragma unroll
    for (int m = 0; m < kHalf; ++m) {
      if (m >= count) continue;
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        auto& to = *reinterpret_cast<float4*>((kWhich < kShared ? shared_ : sums_) +
                                              Places::at(kWhich, first + m, n + c, lane_));
        to = {to.x + sum[m][c][0], to.y + sum[m][c][1], to.z + sum[m][c][2], to.w + sum[m][c][3]};
      }
    }
  }

  int lane_, warp_;
  Pair *x_, *y_;  ///< [kWarps, kStaged]
  typename Single::Pair* signs_;
  int* active_;                      ///< [kWarps]
  float *sums_, *shared_ = nullptr;  ///< [kRows] of EdgeSumPlaces; their first kShared products
};

}  // namespace lorentznet::cuda
