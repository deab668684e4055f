#pragma once

#include "cuda_primitives.h"
#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// Where a lane's registers of an edge part's weights stand, which are read one after the other:
/// phi_e.3, the gate's vector, then phi_x.0 with phi_x.2's vector. Tiles that share channels go
/// together, the odd one first. `widest`: registers of 16 bytes.
template <int H>
class EdgeWeightPlaces {
 public:
  static constexpr int kTiles = Channels<H>::kTiles;
  static constexpr int kVector = kTiles * kWarpLanes;
  static constexpr int kWithoutMoves = kMatrixFragments<H> + kVector, kEnd = 2 * kWithoutMoves;

  /// phi_e.3 of column tile n and position tile k: for each position all columns.
  static __host__ __device__ constexpr int edge_out(int n, int k, int lane, int widest) {
    const int positions = size(k), columns = n < kShared ? 2 : 1, column = n % columns;
    return before(k) * kVector + (n - column) * positions * kWarpLanes +
           slot(columns * positions, column * positions + k % positions, lane, widest);
  }
  static __host__ __device__ constexpr int gate(int n, int lane, int widest) {
    return kMatrixFragments<H> + slot(kTiles, n, lane, widest);
  }
  /// phi_x.0: for each column all positions, and then phi_x.2.
  static __host__ __device__ constexpr int move_in(int n, int k, int lane, int widest) {
    const int positions = size(k), columns = size(n);
    return group(n) + before(k) * columns * kWarpLanes +
           slot(columns * positions, n % columns * positions + k % positions, lane, widest);
  }
  static __host__ __device__ constexpr int move_out(int n, int lane, int widest) {
    return group(n) + kVector * size(n) + slot(size(n), n % size(n), lane, widest);
  }

 private:
  static constexpr int kShared = 2 * Channels<H>::kPairs;

  /// Tiles that share channels with tile n, and those before them.
  static __host__ __device__ constexpr int size(int n) { return n < kShared ? 2 : 1; }
  static __host__ __device__ constexpr int before(int n) {
    return n < kShared ? n / 2 * 2 + (kTiles - kShared) : 0;
  }
  static __host__ __device__ constexpr int group(int n) {
    return kWithoutMoves + before(n) * (kTiles + 1) * kWarpLanes;
  }
};

/// What a warp computes of 16 kRounds edges in every pass over them: rows of the products are 16
/// receivers, each with one sender in each of kRounds rounds, which share the weights' loads.
/// kScales: the senders' rows are multiplied with the batch norm's scale here.
template <typename Op, int H, int kRounds, bool kScales = false>
class EdgeTile {
 protected:
  using Pair = typename Op::Pair;
  using C = Channels<H>;
  using Places = EdgeWeightPlaces<H>;
  static constexpr int kTiles = C::kTiles, kSteps = C::kPairs;
  static constexpr bool kOdd = C::kOdd;
  // The k steps' loop, unrolled as far as registers allow: up to 14 % faster on an H200.
  static constexpr int kUnrolledEmbeddings = H <= 72 && sizeof(Pair) == 4 ? kSteps : 1;

  __device__ __forceinline__ explicit EdgeTile(const float* biases)
      : lane_(static_cast<int>(threadIdx.x) & 31),
        warp_(static_cast<int>(threadIdx.x) >> 5),
        g_(lane_ >> 2),
        t_(lane_ & 3),
        biases_(biases) {}

  /// s and t of the edges, dealt out to 32 lanes, then to the quads that need them.
  /// \param ends  (h, m, &i, &j): coordinates of receiver h and of its sender in round m
  /// \param keep  (m, h, s, t): each as an operand's two parts
  template <typename Ends, typename Keep>
  __device__ __forceinline__ void pair_terms(const Ends& ends, const Keep& keep) {
#pragma unroll
    for (int k = 0; k < (kRounds + 1) / 2; ++k) {
      const double *i, *j;
      ends(t_ & 1, 2 * k + (t_ >> 1), i, j);
      const double2 i01 = *reinterpret_cast<const double2*>(i),
                    i23 = *reinterpret_cast<const double2*>(i + 2);
      const double2 j01 = *reinterpret_cast<const double2*>(j),
                    j23 = *reinterpret_cast<const double2*>(j + 2);
      const double d0 = i01.x - j01.x, d1 = i01.y - j01.y, d2 = i23.x - j23.x, d3 = i23.y - j23.y;
      const Pair s = Op::split(psi(d0 * d0 - d1 * d1 - d2 * d2 - d3 * d3));
      const Pair t = Op::split(psi(i01.x * j01.x - i01.y * j01.y - i23.x * j23.x - i23.y * j23.y));
#pragma unroll
      for (int m = 2 * k; m < min(2 * k + 2, kRounds); ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const int source = (lane_ & ~3) | (m & 1) << 1 | h;
          const Pair of_s = Op::from_lane(s, source), of_t = Op::from_lane(t, source);
          pair_[m][h] = t_ & 1 ? of_t : of_s;  // against u, v, and what is left of u, of v
          keep(m, h, of_s, of_t);
        }
      }
    }
  }

  /// sign(p) log2(1 + |p|): psi in units of ln 2, which u and v are multiplied by.
  static __device__ __forceinline__ float psi(double p) {
    const auto f = static_cast<float>(p);
    return prim::with_sign_of(prim::log2_fast(1.0F + fabsf(f)), f);
  }

  /// e = relu(phi_e.3 relu(z)), the accumulators of z's products being operands of the next.
  /// weights_ stands at the layer's first ones. \param pair_terms  u and v \param see  (n, relu(z)
  /// of the column tiles from n on)
  template <int kUnrolled = kUnrolledEmbeddings, typename See>
  __device__ __forceinline__ void embeddings(const Pair* pair_terms, const See& see) {
    float sum[kRounds][kTiles][4];
    const Pair* const of_pairs = pair_terms + lane_;
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      const float2 bias = bias_of(0, n);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
        sum[m][n][0] = sum[m][n][2] = bias.x;
        sum[m][n][1] = sum[m][n][3] = bias.y;
      }
    }
    if constexpr (kOdd) {
      Pair z[kRounds][1][2];
      inputs<1>(kTiles - 1, of_pairs, z);
      see(kTiles - 1, z);
      each_output<1>([&](int n, const Pair* f) {
#pragma unroll
        for (int m = 0; m < kRounds; ++m) {
          Op::mma8(sum[m][n], z[m][0][0], z[m][0][1], f[0]);
        }
      });
    }
#pragma unroll(kUnrolled)
    for (int step = 0; step < kSteps; ++step) {
      Pair z[kRounds][2][2];
      inputs<2>(2 * step, of_pairs, z);
      see(2 * step, z);
      each_output<2>([&](int n, const Pair* f) {
#pragma unroll
        for (int m = 0; m < kRounds; ++m) {
          const Pair rows[4] = {z[m][0][0], z[m][0][1], z[m][1][0], z[m][1][1]};
          Op::mma16(sum[m][n], rows, f[0], f[1]);
        }
      });
    }
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        e_[m][n][0] = Op::pack_relu(sum[m][n][0], sum[m][n][1]);
        e_[m][n][1] = Op::pack_relu(sum[m][n][2], sum[m][n][3]);
      }
    }
  }

  /// A lane's channels of one column tile, or of two.
  static __device__ __forceinline__ void read_row(const float* from, float (&to)[2]) {
    const float2 two = *reinterpret_cast<const float2*>(from);
    to[0] = two.x, to[1] = two.y;
  }
  static __device__ __forceinline__ void read_row(const float* from, float (&to)[4]) {
    const float4 four = *reinterpret_cast<const float4*>(from);
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
  }

  /// relu(z) of the channels of column tiles n0 .. n0 + N - 1: 4 in a row of a lane, or 2.
  template <int N>
  __device__ __forceinline__ void inputs(int n0, const Pair* of_pairs, Pair (&z)[kRounds][N][2]) {
    const int c = C::at(n0, t_, 0);
    float a[2][2 * N], scale[2 * N];
#pragma unroll
    for (int h = 0; h < 2; ++h) read_row(a_row_[h] + c, a[h]);
    if constexpr (kScales) read_row(scale_ + c, scale);
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
      float b[2][2 * N];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        read_row(b_row_[m][h] + c, b[h]);
#pragma unroll
        for (int k = 0; k < 2 * N; ++k) {
          b[h][k] = kScales ? fmaf(b[h][k], scale[k], a[h][k]) : a[h][k] + b[h][k];
        }
      }
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float d[4] = {b[0][2 * n], b[0][2 * n + 1], b[1][2 * n], b[1][2 * n + 1]};
        Op::mma8(d, pair_[m][0], pair_[m][1], of_pairs[(n0 + n) * kWarpLanes]);
        z[m][n][0] = Op::pack_relu(d[0], d[1]);
        z[m][n][1] = Op::pack_relu(d[2], d[3]);
      }
    }
  }

  /// f(n, fragments of column tile n) for all of them: R registers each, two tiles at a time.
  template <int R, typename F>
  __device__ __forceinline__ void each_output(const F& f) {
#pragma unroll
    for (int n = 0; n + 1 < kTiles; n += 2) {
      Pair of[2 * R];
      weights_ = take_registers(weights_, lane_, of);
      f(n, of);
      f(n + 1, of + R);
    }
    if constexpr (kOdd) {
      Pair of[R];
      weights_ = take_registers(weights_, lane_, of);
      f(kTiles - 1, of);
    }
  }

  /// Biases of a lane's two channels of column tile n. \param layer  0: phi_e.3, 1: phi_x.0
  __device__ __forceinline__ float2 bias_of(int layer, int n) const {
    return *reinterpret_cast<const float2*>(biases_ + layer * H + C::at(n, t_, 0));
  }

  /// The gates; 0 where not has_sender(m, h).
  template <typename Has>
  __device__ __forceinline__ void gates(float gate_bias, const Has& has_sender) {
    Pair f[kTiles];
    weights_ = take_registers(weights_, lane_, f);
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
      float d[4] = {};
      dot(m, f, d);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float power = kLog2E * (-gate_bias - (d[2 * h] + d[2 * h + 1]));
        const float gate = prim::rcp_fast(1.0F + prim::exp2_fast(power));
        gate_[m][h] = has_sender(m, h) ? gate : 0.0F;
      }
    }
  }

  /// Adds e's product with a vector to d: one half of the vector's numbers in even columns, what is
  /// left of them in odd ones.
  __device__ __forceinline__ void dot(int m, const Pair (&f)[kTiles], float (&d)[4]) const {
    if constexpr (kOdd) Op::mma8(d, e_[m][kTiles - 1][0], e_[m][kTiles - 1][1], f[kTiles - 1]);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const Pair rows[4] = {e_[m][2 * step][0], e_[m][2 * step][1], e_[m][2 * step + 1][0],
                            e_[m][2 * step + 1][1]};
      Op::mma16(d, rows, f[2 * step], f[2 * step + 1]);
    }
  }

  static constexpr float kLog2E = 1.44269504F;
  static constexpr double kTranslationLimit = 100;  ///< fused::kTranslationBound

  int lane_, warp_;
  int g_, t_;                      ///< row of a tile, and place in the quad of lanes that have it
  const Pair* weights_ = nullptr;  ///< what is taken next
  const float* biases_;            ///< [2 H + 1]
  const float* a_row_[2];          ///< of the lane's receivers, rows g and g + 8
  const float* b_row_[kRounds][2];
  const float* scale_ = nullptr;  ///< [H] if kScales
  Pair pair_[kRounds][2];
  Pair e_[kRounds][kTiles][2];
  float gate_[kRounds][2];
};

}  // namespace lorentznet::cuda
