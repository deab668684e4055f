#pragma once

#include <type_traits>

#include "engine/cuda/edge_norm.h"
#include "engine/cuda/edge_sums.h"
#include "engine/cuda/edge_tile.h"

namespace lorentznet::cuda {

/// What the backward pass over a layer's edges takes and gives. q is dL/d(output of the batch
/// norm).
template <typename Op>
struct EdgeBackwardParams {
  int nodes;           ///< P
  const int2* span;    ///< [P] first node and end of the node's jet
  const float *a, *b;  ///< [P, H] before the batch norm
  const double* x;     ///< [P, 4]
  EdgeNorm norm;
  KeptPairs kept;                       ///< phi and signs are not read in the last layer
  const typename Op::Pair* weights;     ///< of EdgeLayer
  const float* biases;                  ///< the same
  const typename Op::Pair* transposed;  ///< the same
  const float* gate;                    ///< [H] the gate's weights
  const float* message_gradient;        ///< [P, H]
  const double* translation_gradient;   ///< [P, 4]; not read in the last layer
  float* q_row;                         ///< [P, H] sum_j q_ij
  float* columns;                       ///< [column_rows(), H] parts of sum_i q_ij: EdgeColumns
  float *p_s, *p_t;  ///< [pairs] sum_c (scale u)_c q_ijc, sum_c (scale v)_c q_ijc; 0 for i = j
  float* partial;    ///< [blocks, EdgeSumPlaces<H>::kEnd] sums over edges: EdgeGradients
};

/// A round of the backward pass from dL/dmessage and dL/dtranslation to dL/d(output of phi_e.3),
/// with what the forward pass doesn't keep computed again.
template <typename Op_, int H, bool kMoves>
class EdgePulls : EdgeTile<Op_, H, 1, true> {
  using Tile = EdgeTile<Op_, H, 1, true>;

 public:
  using Op = Op_;
  using Params = EdgeBackwardParams<Op>;
  static constexpr int kParts = 4;  ///< warps of a tile
  static constexpr int kWarps = H <= 72 ? 8 : 4, kThreads = kWarpLanes * kWarps;
  static constexpr int kMinBlocks = 8 / kWarps;
  static constexpr int kReceivers = kWarps / kParts * kTileRows;

 protected:
  using C = Channels<H>;
  using typename Tile::Pair;
  using typename Tile::Places;
  using Single = typename Op::Single;
  using Sums = EdgeSums<Op, H, kWarps>;
  using SumPlaces = EdgeSumPlaces<H>;
  using Tile::a_row_, Tile::b_row_, Tile::e_, Tile::gate_, Tile::lane_, Tile::t_, Tile::g_;
  using Tile::kTiles, Tile::kSteps, Tile::kOdd, Tile::kTranslationLimit, Tile::warp_,
      Tile::weights_;
  using Tile::read_row;
  static constexpr unsigned kAll = 0xffffffffU;

  /// A lane's sums over the rounds: of q for its receivers, and over them for s q, t q and the
  /// gate's gradient. In registers while there are enough; else the first kSharedTotals are in
  /// shared memory, of which two blocks share an H100's 228 kB, and the others in global memory.
  static constexpr int kOfS = 4 * kTiles, kOfT = 6 * kTiles, kOfGate = 8 * kTiles,
                       kTotals = 10 * kTiles;
  static constexpr bool kTotalsInRegisters = H <= 72;
  static constexpr int kSharedTotals = kTotalsInRegisters || H * sizeof(Pair) > 768 ? 0 : kOfS;

  /// Unrolled altogether, bf16 would spill 68 bytes at H = 72 on sm_80.
  static constexpr int kUnrolled =
      H > 48 && Tile::kUnrolledEmbeddings > 1 ? 2 : Tile::kUnrolledEmbeddings;

  __device__ __forceinline__ EdgePulls(const Params& p, Sums& sums, float* totals,
                                       prim::Carver& carve)
      : Tile(p.biases), p_(p), sums_(sums) {
    auto* const terms = carve.template take<Pair>(Places::kVector);
    vectors_ = carve.template take<float>(4 * H);
    if constexpr (!kTotalsInRegisters) {
      static_assert(kTotals == SumPlaces::kMostOfLane && kThreads == SumPlaces::kWideThreads);
      totals_[0] = 0;
      shared_totals_ = carve.template take<float>(kThreads * kSharedTotals) + threadIdx.x;
      global_totals_ = totals + threadIdx.x;
    }
#pragma unroll
    for (int k = kOfS; k < kTotals; ++k) total<kOfS>(k) = 0;
    pair_terms_of<Op, H>(p.norm, kThreads, terms);
    for (int c = static_cast<int>(threadIdx.x); c < H; c += kThreads) {
      const long at = static_cast<long>(c) * p.norm.uv_step;
      vectors_[c] = p.norm.scale[c];
      vectors_[H + c] = p.norm.u[at] * p.norm.scale[c];
      vectors_[2 * H + c] = p.norm.v[at] * p.norm.scale[c];
      vectors_[3 * H + c] = p.gate[c];
    }
    pair_terms_ = terms;
    this->scale_ = vectors_;
  }

  /// \tparam kFirst  0, kOfS, kOfT or kOfGate: what total k is of
  template <int kFirst>
  __device__ __forceinline__ float& total(int k) {
    if constexpr (kTotalsInRegisters) {
      return totals_[k];
    } else {
      return (kFirst < kSharedTotals ? shared_totals_ : global_totals_)[k * kThreads];
    }
  }

  /// Whether receiver h has the round's sender, and whether that is another node.
  __device__ __forceinline__ bool in_jet(int h, int round) const { return round < count_[h]; }
  __device__ __forceinline__ bool is_edge(int h, int round) const {
    return in_jet(h, round) && begin_[h] + round != receiver_[h];
  }
  __device__ __forceinline__ long pair(int h, int round) const {
    return p_.kept.first_pair[receiver_[h]] + static_cast<long>(round) * count_[h] +
           (receiver_[h] - begin_[h]);
  }

  /// e, gates and what phi_x's gradient needs, and hands in the operands relu(z), the signs and
  /// m dL/dphi.
  __device__ __forceinline__ void recompute(int round) {
    int sender[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      sender[h] = is_edge(h, round) ? begin_[h] + round : receiver_[h];
      b_row_[0][h] = p_.b + static_cast<long>(sender[h]) * H;
      passed_[h] = 0;
    }
    this->pair_terms(
        [&](int h, int, const double*& i, const double*& j) {
          i = p_.x + 4 * static_cast<long>(h ? receiver_[1] : receiver_[0]);
          j = p_.x + 4 * static_cast<long>(h ? sender[1] : sender[0]);
        },
        [&](int, int h, Pair s, Pair t) {
          s_[h] = Op::low(s) + Op::high(s);
          t_ij_[h] = Op::low(t) + Op::high(t);
        });
    weights_ = p_.weights;
    this->template embeddings<kUnrolled>(pair_terms_, [&](int n0, const auto& z) {
      constexpr int kCount = sizeof(z[0]) / sizeof(z[0][0]);
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        sums_.set_x(n0 + k, z[0][k][0], z[0][k][1]);
#pragma unroll
        for (int h = 0; h < 2; ++h) passed_[h] |= two_signs(z[0][k][h]) << 2 * (n0 + k);
      }
    });
    this->gates(p_.biases[2 * H], [&](int, int h) { return is_edge(h, round); });
    if constexpr (kMoves) pull_phi(round, sender);
  }
  static __device__ __forceinline__ unsigned two_signs(Pair two) {
    return passes(Op::low(two)) | passes(Op::high(two)) << 1U;
  }

  __device__ __forceinline__ void pull_phi(int round, const int (&sender)[2]) {
    float phi_m[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const bool edge = is_edge(h, round);
      const long at = edge ? pair(h, round) : 0;
      signs_[h] = edge ? p_.kept.signs[4 * at + t_] : 0U;
      const double phi = edge ? p_.kept.phi[at] : 0.0F;
      const long i = 4 * static_cast<long>(receiver_[h]) + t_;
      const double difference = p_.x[i] - p_.x[4 * static_cast<long>(sender[h]) + t_];
      const bool clamped = prim::abs_double(difference * phi) > kTranslationLimit;
      double sum = edge && !clamped ? difference * p_.translation_gradient[i] : 0.;
      sum += __shfl_xor_sync(kAll, sum, 1);
      sum += __shfl_xor_sync(kAll, sum, 2);
      phi_pull_[h] = static_cast<float>(sum);
      phi_m[h] = phi_pull_[h] * gate_[0][h];
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      Pair of[2];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        of[h] = Op::pack(phi_m[h] * Op::low(e_[0][n][h]), phi_m[h] * Op::high(e_[0][n][h]));
      }
      sums_.set_y_columns(n, of[0], of[1]);
      if (n % 2 == 0) sums_.set_signs(n / 2, signs_[0] >> 2 * n, signs_[1] >> 2 * n);
    }
    sums_.set_extra(phi_pull_[0], phi_pull_[1]);
  }

  /// dL/d(output of phi_e.3), which it hands in.
  __device__ __forceinline__ void pull_messages() {
    float pull[kTiles][4], of_gate[2] = {};
    if constexpr (kMoves) {
      multiply_signs(pull);
    } else {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int k = 0; k < 4; ++k) pull[n][k] = 0.0F;
      }
    }
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float given[2];
        this->read_row(pull_row_[h] + C::at(n, t_, 0), given);
        float* const two = pull[n] + 2 * h;
        if constexpr (kMoves) {
          two[0] = fmaf(phi_pull_[h], two[0], given[0]);
          two[1] = fmaf(phi_pull_[h], two[1], given[1]);
        } else {
          two[0] = given[0];
          two[1] = given[1];
        }
        of_gate[h] = fmaf(two[0], Op::low(e_[0][n][h]), of_gate[h]);
        of_gate[h] = fmaf(two[1], Op::high(e_[0][n][h]), of_gate[h]);
      }
    }
    pull_gates(of_gate);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      float weight[2];
      this->read_row(vectors_ + 3 * H + C::at(n, t_, 0), weight);
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float e[2] = {Op::low(e_[0][n][h]), Op::high(e_[0][n][h])};
        float d[2];
#pragma unroll
        for (int q = 0; q < 2; ++q) {
          const float value = fmaf(of_gate[h], weight[q], gate_[0][h] * pull[n][2 * h + q]);
          total<kOfGate>(kOfGate + 2 * n + q) += of_gate[h] * e[q];
          d[q] = passes(e[q]) != 0U ? value : 0.0F;
        }
        e_[0][n][h] = Op::pack(d[0], d[1]);  // e is not needed any more
      }
      if (n % 2 == 1 || n + 1 == kTiles) sums_.set_y_rows(n / 2, e_[0]);
    }
  }

  /// From a lane's part of dL/dgate to dL/d(the gate's logit), and its sum.
  __device__ __forceinline__ void pull_gates(float (&of_gate)[2]) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      of_gate[h] += __shfl_xor_sync(kAll, of_gate[h], 1);
      of_gate[h] += __shfl_xor_sync(kAll, of_gate[h], 2);
      of_gate[h] *= gate_[0][h] * (1.0F - gate_[0][h]);
      gate_bias_ += of_gate[h];
    }
  }

  /// pull = the signs of phi_x.0's outputs times its weights, each output's row times phi_x.2.
  __device__ __forceinline__ void multiply_signs(float (&pull)[kTiles][4]) const {
    const Pair* const weights = p_.transposed + kMatrixFragments<H>;
    if constexpr (kTotalsInRegisters) {
      typename Single::Pair rows[kTiles][2];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) rows_of_signs(n, rows[n]);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        multiply_columns<2>(weights + 2 * step * Places::kVector, rows, pull[2 * step],
                            pull[2 * step + 1]);
      }
      if constexpr (kOdd) {
        multiply_columns<1>(weights + 2 * kSteps * Places::kVector, rows, pull[kTiles - 1],
                            pull[kTiles - 1]);
      }
    } else {
      multiply_signs_by_rows(weights, pull);
    }
  }
  __device__ __forceinline__ void rows_of_signs(int n, typename Single::Pair (&rows)[2]) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) rows[h] = Single::indicator(signs_[h] >> 2 * n);
  }
  /// The same sums in the same order, a step of all columns at a time: that needs fewer registers.
  __device__ __forceinline__ void multiply_signs_by_rows(const Pair* weights,
                                                         float (&pull)[kTiles][4]) const {
    static_assert(kTotalsInRegisters || !kOdd);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
#pragma unroll
      for (int k = 0; k < 4; ++k) pull[n][k] = 0.0F;
    }
#pragma unroll 1
    for (int step = 0; step < kSteps; ++step) {
      typename Single::Pair low[2], high[2];
      rows_of_signs(2 * step, low);
      rows_of_signs(2 * step + 1, high);
      const typename Single::Pair a[4] = {low[0], low[1], high[0], high[1]};
#pragma unroll
      for (int n = 0; n < kTiles; n += 2) {
        Pair f[4];
        take_registers(weights + n * Places::kVector + 4 * step * kWarpLanes, lane_, f);
        multiply16(pull[n], a, f[0], f[1]);
        multiply16(pull[n + 1], a, f[2], f[3]);
      }
    }
  }

  /// The sums of N column tiles, of which `second` is the last.
  template <int N, typename A>
  __device__ __forceinline__ void multiply_columns(const Pair* weights, const A (&rows)[kTiles][2],
                                                   float (&first)[4], float (&second)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; ++k) first[k] = second[k] = 0.0F;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      Pair f[2 * N];
      take_registers(weights + 2 * step * N * kWarpLanes, lane_, f);
      const A a[4] = {rows[2 * step][0], rows[2 * step][1], rows[2 * step + 1][0],
                      rows[2 * step + 1][1]};
      multiply16(first, a, f[0], f[1]);
      if constexpr (N == 2) multiply16(second, a, f[2], f[3]);
    }
    if constexpr (kOdd) {
      Pair f[N];
      take_registers(weights + (kTiles - 1) * N * kWarpLanes, lane_, f);
      multiply8(first, rows[kTiles - 1], f[0]);
      if constexpr (N == 2) multiply8(second, rows[kTiles - 1], f[1]);
    }
  }
  template <typename A>
  static __device__ __forceinline__ void multiply16(float (&d)[4], const A (&a)[4], Pair b0,
                                                    Pair b1) {
    if constexpr (std::is_same_v<A, Pair>) {
      Op::mma16(d, a, b0, b1);
    } else {
      Op::mma16_single(d, a, b0, b1);
    }
  }
  template <typename A>
  static __device__ __forceinline__ void multiply8(float (&d)[4], const A (&a)[2], Pair b0) {
    if constexpr (std::is_same_v<A, Pair>) {
      Op::mma8(d, a[0], a[1], b0);
    } else {
      Op::mma8_single(d, a[0], a[1], b0);
    }
  }

  const Params& p_;
  Sums& sums_;
  const Pair* pair_terms_;
  float* vectors_;  ///< [4, H] scale, scale u, scale v, the gate's weights
  float *shared_totals_ = nullptr, *global_totals_ = nullptr;
  int receiver_[2], begin_[2], count_[2];  ///< count: of the jet's nodes; 0 for no row
  const float* pull_row_[2];               ///< dL/dmessage
  float s_[2], t_ij_[2], phi_pull_[2], gate_bias_ = 0;
  unsigned passed_[2], signs_[2];  ///< bits 2 n + q: z > 0, y > 0
  float totals_[kTotalsInRegisters ? kTotals : 1];
};

}  // namespace lorentznet::cuda
