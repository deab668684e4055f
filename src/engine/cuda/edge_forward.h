#pragma once

#include "cuda_primitives.h"
#include "engine/cuda/edge_weights.h"
#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

/// What the edge part of a layer takes and gives. Jets lie end to end: P nodes.
template <typename Op>
struct EdgeParams {
  int nodes;           ///< P
  int split;           ///< warps that share a tile of receivers: 1, 2 or 4
  int window;          ///< rows of shared memory for senders: edge_window()
  const int2* span;    ///< [P] first node and end of the node's jet
  const float *a, *b;  ///< [P, H] z_ij = a_i + b_j + u s_ij + v t_ij, after the batch norm
  const double* x;     ///< [P, 4] coordinates
  const typename Op::Pair* weights;  ///< pack_edges()
  const float* biases;               ///< [2, H] of phi_e.3, and of phi_x.0
  float gate_bias;
  float* message;  ///< [P, H] sum_j m_ij
  double*
      translation;  ///< [P, 4] sum_j clamp((x_i - x_j) phi_x(m_ij)); not written in the last layer
};

/// The edge part of a layer, forward. A warp has 16 receivers, rows of the products, and in each
/// round one sender for each of them: the r-th other node of the receiver's jet. So no row is
/// padding but at the end of a jet smaller than its neighbours, sums stay in the receiver's
/// registers, and their order depends on the round alone. kRounds rounds share the weights' loads.
template <typename Op_, int H, int kRounds, bool kMoves>
class EdgeForward {
 public:
  using Op = Op_;
  using Params = EdgeParams<Op>;
  static constexpr int kWarps = 4, kThreads = 32 * kWarps, kMinBlocks = 2;
  static constexpr int kRow =
      padded_row(H + 8);  ///< floats of a row in shared memory: channels and four doubles

  static __device__ void run(const Params& p) {
    EdgeForward tile(p);
    tile.load();
    tile.find_rows();
#pragma unroll 1
    for (int round = tile.part_ * kRounds; round < tile.num_rounds_; round += p.split * kRounds) {
      tile.compute(round);
    }
    if (p.split > 1 && !tile.add_parts()) return;
    tile.store();
  }

  /// Bytes of shared memory.
  static unsigned long shared_bytes(int window, int split) {
    const unsigned long parts = split > 1 ? kThreads * kPartial : 0;
    const unsigned long floats = static_cast<unsigned long>(kWarps / split * kTileRows * kRow) +
                                 static_cast<unsigned long>(window) * kRow + parts;
    return floats * sizeof(float) + 3 * (16 + prim::redzone());
  }

 private:
  using Pair = typename Op::Pair;
  using C = Channels<H>;
  static constexpr int kTiles = C::kTiles, kSteps = C::kPairs;
  static constexpr bool kOdd = C::kOdd;
  // The k steps' loops, unrolled as far as registers allow: up to 14 % faster on an H200.
  static constexpr int kUnrolledEmbeddings = H <= 72 && sizeof(Pair) == 4 ? kSteps : 1;
  static constexpr int kUnrolledMovements = H > 72 ? 1 : sizeof(Pair) == 4 ? kSteps : 2;
  static constexpr int kPartial = 4 * kTiles + 4;  ///< floats of a lane's sums

  __device__ __forceinline__ explicit EdgeForward(const Params& p)
      : p_(p),
        lane_(static_cast<int>(threadIdx.x) & 31),
        warp_(static_cast<int>(threadIdx.x) >> 5),
        g_(lane_ >> 2),
        t_(lane_ & 3),
        part_(warp_ % p.split),
        tile_(warp_ / p.split),
        first_(static_cast<int>(blockIdx.x) * (kWarps / p.split) * kTileRows),
        past_(min(p.nodes, first_ + kWarps / p.split * kTileRows)),
        low_(p.span[first_].x) {}

  /// Copies the block's rows of a, b and x into shared memory.
  __device__ __forceinline__ void load() {
    prim::Carver carve;
    receivers_ = carve.template take<float>(kWarps / p_.split * kTileRows * kRow);
    senders_ = carve.template take<float>(p_.window * kRow);
    if (p_.split > 1) partial_ = carve.template take<float>(kThreads * kPartial);
    constexpr int kQuarters = H / 4;
    const int rows = past_ - first_, window = p_.span[past_ - 1].y - low_;
    const auto at = static_cast<unsigned long>(first_) * H, from = static_cast<unsigned long>(low_);
    for (int k = static_cast<int>(threadIdx.x); k < rows * kQuarters; k += kThreads) {
      prim::copy_async16(receivers_ + k / kQuarters * kRow + k % kQuarters * 4, p_.a + at + 4 * k);
    }
    for (int k = static_cast<int>(threadIdx.x); k < window * kQuarters; k += kThreads) {
      prim::copy_async16(senders_ + k / kQuarters * kRow + k % kQuarters * 4,
                         p_.b + from * H + 4 * k);
    }
    for (int k = static_cast<int>(threadIdx.x); k < window * 2; k += kThreads) {
      prim::copy_async16(senders_ + k / 2 * kRow + H + k % 2 * 4, p_.x + from * 4 + 2 * k);
    }
    prim::copy_async_wait();
    __syncthreads();
  }

  /// A lane's two receivers, rows g and g + 8 of the tile, and how many rounds the tile has.
  __device__ __forceinline__ void find_rows() {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int i = first_ + tile_ * kTileRows + g_ + 8 * h, at = min(i, past_ - 1);
      const int2 jet = p_.span[at];
      row_[h] = at - low_;
      begin_[h] = jet.x - low_;
      count_[h] = i < past_ ? jet.y - jet.x - 1 : 0;
      a_row_[h] = receivers_ + (at - first_) * kRow;
    }
    num_rounds_ = max(count_[0], count_[1]);
#pragma unroll
    for (int bit = 4; bit < 32; bit *= 2) {
      num_rounds_ = max(num_rounds_, __shfl_xor_sync(0xffffffffU, num_rounds_, bit));
    }
  }

  /// The sender of receiver h in a round; in one that it has not, itself, with gate 0.
  __device__ __forceinline__ int sender(int h, int round) const {
    const int j = begin_[h] + round;
    return round < count_[h] ? j + (j >= row_[h]) : row_[h];
  }
  __device__ __forceinline__ const double* coordinates(int row) const {
    return reinterpret_cast<const double*>(senders_ + row * kRow + H);
  }

  __device__ __forceinline__ void compute(int round) {
    weights_ = p_.weights;
    pair_terms(round);
    embeddings();
    gates(round);
    if constexpr (kMoves) {
      float phi[kRounds][4];
      movements(phi);
      translate(phi);
    }
  }

  /// s and t of 16 kRounds edges, dealt out to 32 lanes, then to the quads that need them.
  __device__ __forceinline__ void pair_terms(int round) {
#pragma unroll
    for (int k = 0; k < (kRounds + 1) / 2; ++k) {
      const int own = round + 2 * k + (t_ >> 1), h = t_ & 1;
      const double* const i = coordinates(h ? row_[1] : row_[0]);
      const double* const j = coordinates(h ? sender(1, own) : sender(0, own));
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
        for (int row = 0; row < 2; ++row) {
          const int source = (lane_ & ~3) | (m & 1) << 1 | row;
          const Pair of_s = Op::from_lane(s, source), of_t = Op::from_lane(t, source);
          pair_[m][row] = t_ & 1 ? of_t : of_s;  // against u, v, and what is left of u, of v
          b_row_[m][row] = senders_ + sender(row, round + m) * kRow;
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
  __device__ __forceinline__ void embeddings() {
    float sum[kRounds][kTiles][4];
    const Pair* const pair_weights = weights_ + lane_;
    weights_ += kTiles * kWarpLanes;
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
      inputs<1>(kTiles - 1, pair_weights, z);
      each_output<1>([&](int n, const Pair* f) {
#pragma unroll
        for (int m = 0; m < kRounds; ++m) {
          Op::mma8(sum[m][n], z[m][0][0], z[m][0][1], f[0]);
        }
      });
    }
#pragma unroll(kUnrolledEmbeddings)
    for (int step = 0; step < kSteps; ++step) {
      Pair z[kRounds][2][2];
      inputs<2>(2 * step, pair_weights, z);
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
  __device__ __forceinline__ void inputs(int n0, const Pair* pair_weights,
                                         Pair (&z)[kRounds][N][2]) {
    const int c = C::at(n0, t_, 0);
    float a[2][2 * N];
#pragma unroll
    for (int h = 0; h < 2; ++h) read_row(a_row_[h] + c, a[h]);
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
      float b[2][2 * N];
#pragma unroll
      for (int h = 0; h < 2; ++h) read_row(b_row_[m][h] + c, b[h]);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        float d[4] = {a[0][2 * n] + b[0][2 * n], a[0][2 * n + 1] + b[0][2 * n + 1],
                      a[1][2 * n] + b[1][2 * n], a[1][2 * n + 1] + b[1][2 * n + 1]};
        Op::mma8(d, pair_[m][0], pair_[m][1], pair_weights[(n0 + n) * 32]);
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
    if constexpr (kTiles % 2 == 1) {
      Pair of[R];
      weights_ = take_registers(weights_, lane_, of);
      f(kTiles - 1, of);
    }
  }

  /// Biases of a lane's two channels of column tile n. \param layer  0: phi_e.3, 1: phi_x.0
  __device__ __forceinline__ float2 bias_of(int layer, int n) const {
    return *reinterpret_cast<const float2*>(p_.biases + layer * H + C::at(n, t_, 0));
  }

  /// The gates, and the receivers' sums of gate e.
  __device__ __forceinline__ void gates(int round) {
    Pair f[kTiles];
    weights_ = take_registers(weights_, lane_, f);
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
      float d[4] = {};
      dot(m, f, d);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float power = kLog2E * (-p_.gate_bias - (d[2 * h] + d[2 * h + 1]));
        const float gate = prim::rcp_fast(1.0F + prim::exp2_fast(power));
        gate_[m][h] = round + m < count_[h] ? gate : 0.0F;
      }
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          float* const sum = message_[n] + 2 * h;
          sum[0] = fmaf(gate_[m][h], Op::low(e_[m][n][h]), sum[0]);
          sum[1] = fmaf(gate_[m][h], Op::high(e_[m][n][h]), sum[1]);
        }
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

  /// phi_x(m_ij) = phi_x.2 relu(gate phi_x.0 e + bias), one or two column tiles of y at a time.
  __device__ __forceinline__ void movements(float (&phi)[kRounds][4]) {
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
#pragma unroll
      for (int k = 0; k < 4; ++k) phi[m][k] = 0.0F;
    }
    if constexpr (kOdd) {
      Pair y[kRounds][1][2], f[1];
      move_outputs<1>(kTiles - 1, y);
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
        Op::mma8(phi[m], y[m][0][0], y[m][0][1], f[0]);
      }
    }
#pragma unroll(kUnrolledMovements)
    for (int step = 0; step < kSteps; ++step) {
      Pair y[kRounds][2][2], f[2];
      move_outputs<2>(2 * step, y);
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
        const Pair rows[4] = {y[m][0][0], y[m][0][1], y[m][1][0], y[m][1][1]};
        Op::mma16(phi[m], rows, f[0], f[1]);
      }
    }
  }

  /// y = relu(gate phi_x.0 e + bias) of column tiles n0 .. n0 + N - 1.
  template <int N>
  __device__ __forceinline__ void move_outputs(int n0, Pair (&y)[kRounds][N][2]) {
    float d[kRounds][N][4] = {};
    if constexpr (kOdd) {
      Pair f[N];
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int m = 0; m < kRounds; ++m) {
          Op::mma8(d[m][n], e_[m][kTiles - 1][0], e_[m][kTiles - 1][1], f[n]);
        }
      }
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      Pair f[2 * N];
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int m = 0; m < kRounds; ++m) {
          const Pair rows[4] = {e_[m][2 * step][0], e_[m][2 * step][1], e_[m][2 * step + 1][0],
                                e_[m][2 * step + 1][1]};
          Op::mma16(d[m][n], rows, f[2 * n], f[2 * n + 1]);
        }
      }
    }
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const float2 bias = bias_of(1, n0 + n);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          y[m][n][h] = Op::pack_relu(fmaf(gate_[m][h], d[m][n][2 * h], bias.x),
                                     fmaf(gate_[m][h], d[m][n][2 * h + 1], bias.y));
        }
      }
    }
  }

  /// Every lane of a quad has phi; lane t moves component t.
  __device__ __forceinline__ void translate(const float (&phi)[kRounds][4]) {
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const double i = coordinates(row_[h])[t_];
        // The receiver itself in a round that it has not: adds 0.
        const double j = reinterpret_cast<const double*>(b_row_[m][h] + H)[t_];
        double step = (i - j) * static_cast<double>(phi[m][2 * h] + phi[m][2 * h + 1]);
        if (prim::abs_double(step) > kTranslationLimit) {  // not so for NaN, which stays
          step = step > 0 ? kTranslationLimit : -kTranslationLimit;
        }
        moved_[h] += step;
      }
    }
  }

  /// Adds up the sums of the warps that share a tile, in order. \return whether this warp has them
  __device__ __forceinline__ bool add_parts() {
    float* const own = partial_ + static_cast<int>(threadIdx.x) * kPartial;
    if (part_ != 0) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        *reinterpret_cast<float4*>(own + 4 * n) =
            float4{message_[n][0], message_[n][1], message_[n][2], message_[n][3]};
      }
      *reinterpret_cast<double2*>(own + 4 * kTiles) = double2{moved_[0], moved_[1]};
    }
    __syncthreads();
    if (part_ != 0) return false;
    for (int k = 1; k < p_.split; ++k) {
      const float* const other = own + k * 32 * kPartial;
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        const float4 sum = *reinterpret_cast<const float4*>(other + 4 * n);
        message_[n][0] += sum.x;
        message_[n][1] += sum.y;
        message_[n][2] += sum.z;
        message_[n][3] += sum.w;
      }
      const double2 sum = *reinterpret_cast<const double2*>(other + 4 * kTiles);
      moved_[0] += sum.x;
      moved_[1] += sum.y;
    }
    return true;
  }

  __device__ __forceinline__ void store() {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (first_ + tile_ * kTileRows + g_ + 8 * h >= past_) continue;
      const auto node = static_cast<unsigned long>(row_[h] + low_);
      store_row(p_.message + node * H, h);
      if constexpr (kMoves) p_.translation[node * 4 + static_cast<unsigned long>(t_)] = moved_[h];
    }
  }

  /// Writes the sums of receiver h. \param to  its first channel
  __device__ __forceinline__ void store_row(float* to, int h) const {
#pragma unroll
    for (int n = 0; n + 1 < kTiles; n += 2) {
      *reinterpret_cast<float4*>(to + C::at(n, t_, 0)) =
          float4{message_[n][2 * h], message_[n][2 * h + 1], message_[n + 1][2 * h],
                 message_[n + 1][2 * h + 1]};
    }
    if constexpr (kOdd) {
      *reinterpret_cast<float2*>(to + C::at(kTiles - 1, t_, 0)) =
          float2{message_[kTiles - 1][2 * h], message_[kTiles - 1][2 * h + 1]};
    }
  }

  static constexpr float kLog2E = 1.44269504F;
  static constexpr double kTranslationLimit = 100;  ///< fused::kTranslationBound

  const Params& p_;
  int lane_, warp_;
  int g_, t_;         ///< row of a tile, and place in the quad of lanes that have it
  int part_, tile_;   ///< of those that the block's warps share; of the block
  int first_, past_;  ///< nodes of the block
  int low_;           ///< first node of the window of senders
  float *receivers_, *senders_, *partial_ = nullptr;  ///< shared memory: rows of kRow
  int row_[2], begin_[2], count_[2], num_rounds_;     ///< of the lane's receivers, in the window
  const float* a_row_[2];
  const float* b_row_[kRounds][2];
  const Pair* weights_ = nullptr;  ///< what is taken next
  Pair pair_[kRounds][2];
  Pair e_[kRounds][kTiles][2];
  float gate_[kRounds][2];
  float message_[kTiles][4] = {};
  double moved_[2] = {};
};

}  // namespace lorentznet::cuda
