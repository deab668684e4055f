#pragma once

#include <type_traits>

#include "engine/cuda/edge_norm.h"
#include "engine/cuda/edge_tile.h"

namespace lorentznet::cuda {

/// What the edge part of a layer takes and gives. Jets lie end to end: P nodes.
template <typename Op>
struct EdgeParams {
  int nodes;           ///< P
  int split;           ///< warps that share a tile of receivers: 1, 2 or 4
  int window;          ///< rows of shared memory for senders: plan_edges()
  const int2* span;    ///< [P] first node and end of the node's jet
  const float *a, *b;  ///< [P, H] z_ij = a_i + b_j + u s_ij + v t_ij, after the batch norm
  const double* x;     ///< [P, 4] coordinates
  const typename Op::Pair* weights;  ///< pack_edges()
  const float* biases;               ///< [2, H] of phi_e.3, and of phi_x.0
  float gate_bias;
  float* message;  ///< [P, H] sum_j m_ij
  /// [P, 4] sum_j clamp((x_i - x_j) phi_x(m_ij)); not written in the last layer
  double* translation;
};

/// In training: a and b are those before the batch norm, weights and biases those of EdgeLayer, and
/// gate_bias is not used.
template <typename Op>
struct EdgeTrainingParams {
  EdgeParams<Op> edges;
  EdgeNorm norm;
  KeptPairs kept;  ///< written, but not in the last layer
};

/// The edge part of a layer, forward. A warp has 16 receivers, rows of the products, and in each
/// round one sender for each of them: the r-th other node of the receiver's jet. So no row is
/// padding but at the end of a jet smaller than its neighbours, sums stay in the receiver's
/// registers, and their order depends on the round alone.
template <typename Op_, int H, int kRounds, bool kMoves, bool kTrains = false>
class EdgeForward : EdgeTile<Op_, H, kRounds> {
  using Tile = EdgeTile<Op_, H, kRounds>;

 public:
  using Op = Op_;
  using Params = std::conditional_t<kTrains, EdgeTrainingParams<Op>, EdgeParams<Op>>;
  static constexpr int kWarps = 4, kThreads = kWarpLanes * kWarps, kMinBlocks = 2;
  static constexpr int kRow =
      padded_row(H + 8);  ///< floats of a row in shared memory: channels and four doubles

  static __device__ void run(const Params& p) {
    if constexpr (kTrains) {
      EdgeForward tile(p.edges);
      tile.load(&p.norm);
      tile.compute_all(&p.kept);
    } else {
      EdgeForward tile(p);
      tile.load(nullptr);
      tile.compute_all(nullptr);
    }
  }

  /// Bytes of shared memory.
  static unsigned long shared_bytes(int window, int split) {
    const unsigned long parts = split > 1 ? kThreads * kPartial : 0;
    const unsigned long floats = static_cast<unsigned long>(kWarps / split * kTileRows * kRow) +
                                 static_cast<unsigned long>(window) * kRow + parts;
    const unsigned long terms = kTrains ? C::kTiles * kWarpLanes * sizeof(Pair) : 0;
    return floats * sizeof(float) + terms + 4 * (16 + prim::redzone());
  }

 private:
  using C = Channels<H>;
  using Tile::a_row_, Tile::b_row_, Tile::e_, Tile::gate_;
  using Tile::g_, Tile::kTiles, Tile::kSteps, Tile::kOdd, Tile::kTranslationLimit;
  using Tile::lane_, Tile::t_, Tile::warp_, Tile::weights_;
  using typename Tile::Pair;
  static constexpr int kUnrolledMovements = H > 72 ? 1 : sizeof(Pair) == 4 ? kSteps : 2;
  // Unrolled, the last layer in training would spill 124 bytes at H = 72 in bf16.
  static constexpr int kUnrolled = kTrains && !kMoves && H > 48 ? 1 : Tile::kUnrolledEmbeddings;
  static constexpr int kPartial = 4 * kTiles + 4;  ///< floats of a lane's sums

  __device__ __forceinline__ explicit EdgeForward(const EdgeParams<Op>& p)
      : Tile(p.biases),
        p_(p),
        part_(warp_ % p.split),
        tile_(warp_ / p.split),
        first_(static_cast<int>(blockIdx.x) * (kWarps / p.split) * kTileRows),
        past_(min(p.nodes, first_ + kWarps / p.split * kTileRows)),
        low_(p.span[first_].x) {}

  __device__ __forceinline__ void compute_all(const KeptPairs* kept) {
    find_rows();
#pragma unroll 1
    for (int round = part_ * kRounds; round < num_rounds_; round += p_.split * kRounds) {
      compute(round, kept);
    }
    if (p_.split > 1 && !add_parts()) return;
    store();
  }

  /// Copies the block's rows of a, b and x into shared memory.
  __device__ __forceinline__ void load(const EdgeNorm* norm) {
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
    if constexpr (kTrains) {
      normalize(*norm, rows * kQuarters, window * kQuarters);
      auto* const terms = carve.template take<Pair>(kTiles * kWarpLanes);
      pair_terms_of<Op, H>(*norm, kThreads, terms);
      pair_terms_ = terms;
    }
    __syncthreads();
  }

  /// The batch norm of the rows' quarters that this thread has copied.
  __device__ __forceinline__ void normalize(const EdgeNorm& norm, int of_receivers,
                                            int of_senders) {
    constexpr int kQuarters = H / 4;
    for (int k = static_cast<int>(threadIdx.x); k < max(of_receivers, of_senders); k += kThreads) {
      const int row = k / kQuarters * kRow, c = k % kQuarters * 4;
      const float4 scale = *reinterpret_cast<const float4*>(norm.scale + c),
                   shift = *reinterpret_cast<const float4*>(norm.shift + c);
      if (k < of_receivers) scale_four(receivers_ + row + c, scale, shift);
      if (k < of_senders) scale_four(senders_ + row + c, scale, float4{});
    }
  }
  static __device__ __forceinline__ void scale_four(float* at, float4 scale, float4 shift) {
    auto& x = *reinterpret_cast<float4*>(at);
    x = {fmaf(x.x, scale.x, shift.x), fmaf(x.y, scale.y, shift.y), fmaf(x.z, scale.z, shift.z),
         fmaf(x.w, scale.w, shift.w)};
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

  __device__ __forceinline__ void compute(int round, const KeptPairs* kept) {
    this->pair_terms(
        [&](int h, int m, const double*& i, const double*& j) {
          i = coordinates(h ? row_[1] : row_[0]);
          j = coordinates(h ? sender(1, round + m) : sender(0, round + m));
        },
        [&](int m, int h, Pair, Pair) { b_row_[m][h] = senders_ + sender(h, round + m) * kRow; });
    weights_ = kTrains ? p_.weights : p_.weights + kTiles * kWarpLanes;
    this->template embeddings<kUnrolled>(kTrains ? pair_terms_ : p_.weights,
                                         [](int, const auto&) {});
    this->gates(kTrains ? p_.biases[2 * H] : p_.gate_bias,
                [&](int m, int h) { return round + m < count_[h]; });
    add_messages();
    if constexpr (kMoves) {
      float phi[kRounds][4];
      unsigned signs[kRounds][2] = {};
      movements(phi, signs);
      translate(phi);
      if constexpr (kTrains) keep(round, phi, signs, *kept);
    }
  }

  /// The receivers' sums of gate e.
  __device__ __forceinline__ void add_messages() {
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

  /// phi_x(m_ij) = phi_x.2 relu(gate phi_x.0 e + bias), one or two column tiles of y at a time.
  __device__ __forceinline__ void movements(float (&phi)[kRounds][4],
                                            unsigned (&signs)[kRounds][2]) {
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
#pragma unroll
      for (int k = 0; k < 4; ++k) phi[m][k] = 0.0F;
    }
    if constexpr (kOdd) {
      Pair y[kRounds][1][2], f[1];
      move_outputs<1>(kTiles - 1, y, signs);
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
        Op::mma8(phi[m], y[m][0][0], y[m][0][1], f[0]);
      }
    }
#pragma unroll(kUnrolledMovements)
    for (int step = 0; step < kSteps; ++step) {
      Pair y[kRounds][2][2], f[2];
      move_outputs<2>(2 * step, y, signs);
      weights_ = take_registers(weights_, lane_, f);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
        const Pair rows[4] = {y[m][0][0], y[m][0][1], y[m][1][0], y[m][1][1]};
        Op::mma16(phi[m], rows, f[0], f[1]);
      }
    }
  }

  /// y = relu(gate phi_x.0 e + bias) of column tiles n0 .. n0 + N - 1, and in training its signs.
  template <int N>
  __device__ __forceinline__ void move_outputs(int n0, Pair (&y)[kRounds][N][2],
                                               unsigned (&signs)[kRounds][2]) {
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
      const float2 bias = this->bias_of(1, n0 + n);
#pragma unroll
      for (int m = 0; m < kRounds; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          const float low = fmaf(gate_[m][h], d[m][n][2 * h], bias.x),
                      high = fmaf(gate_[m][h], d[m][n][2 * h + 1], bias.y);
          y[m][n][h] = Op::pack_relu(low, high);
          if constexpr (kTrains) {
            signs[m][h] |= (passes(low) | passes(high) << 1U)
                           << (2U * static_cast<unsigned>(n0 + n));
          }
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

  /// What the backward pass needs of phi_x.
  __device__ __forceinline__ void keep(int round, const float (&phi)[kRounds][4],
                                       const unsigned (&signs)[kRounds][2],
                                       const KeptPairs& kept) const {
#pragma unroll
    for (int m = 0; m < kRounds; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if (round + m >= count_[h]) continue;
        const long pair = kept.first_pair[row_[h] + low_] +
                          static_cast<long>(sender(h, round + m) - begin_[h]) * (count_[h] + 1) +
                          (row_[h] - begin_[h]);
        kept.signs[4 * pair + t_] = signs[m][h];
        if (t_ == 0) kept.phi[pair] = phi[m][2 * h] + phi[m][2 * h + 1];
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

  const EdgeParams<Op>& p_;
  int part_, tile_;                   ///< of those that the block's warps share; of the block
  int first_, past_;                  ///< nodes of the block
  int low_;                           ///< first node of the window of senders
  const Pair* pair_terms_ = nullptr;  ///< u and v, in training in shared memory
  float *receivers_, *senders_, *partial_ = nullptr;  ///< shared memory: rows of kRow
  int row_[2], begin_[2], count_[2], num_rounds_;     ///< of the lane's receivers, in the window
  float message_[kTiles][4] = {};
  double moved_[2] = {};
};

}  // namespace lorentznet::cuda
