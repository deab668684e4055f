#pragma once

#include "engine/cuda/edge_pulls.h"

namespace lorentznet::cuda {

/// A sum of q over 16 receivers for each of their senders: a row of H for each tile of receivers
/// and node of a jet that it has a part of. A jet's first row; those of n nodes and k tiles are
/// k n <= n ((n + 14) / 16 + 1), and jets of 1 have one.
__host__ __device__ constexpr long first_column_row(long first_pair, long first_node) {
  return (first_pair + 30 * first_node) / kTileRows;
}
/// Of a batch.
constexpr long column_rows(long pairs, long nodes) { return first_column_row(pairs, nodes) + 1; }

/// The edge part of a layer, backward, with what the forward pass doesn't keep computed again. As
/// there a warp has 16 receivers; in a round all of one jet have the same sender, who may be one of
/// them, whose row then counts for nothing. Four warps share a tile; a block takes every so manieth
/// group of tiles, so that its sums over edges depend on the batch alone.
template <typename Op_, int H, bool kMoves>
class EdgeBackward : EdgePulls<Op_, H, kMoves> {
  using Pulls = EdgePulls<Op_, H, kMoves>;

 public:
  using Pulls::kParts, Pulls::kWarps, Pulls::kThreads, Pulls::kMinBlocks, Pulls::kReceivers;
  using typename Pulls::Op, typename Pulls::Params;
  static constexpr int kMostBlocks = 264;  ///< two for each multiprocessor of an H100

  static unsigned blocks(int nodes) {
    const int groups = (nodes + kReceivers - 1) / kReceivers;
    return static_cast<unsigned>(groups < kMostBlocks ? groups : kMostBlocks);
  }
  static unsigned long shared_bytes() {
    return (2 * kReceivers * kRow + 4 * H + kThreads * kSharedTotals) * sizeof(float) +
           Places::kVector * sizeof(Pair) + Sums::shared_bytes() + 5 * (16 + prim::redzone());
  }

  static __device__ void run(const Params& p) {
    prim::Carver carve;
    float* const partial = p.partial + static_cast<long>(blockIdx.x) * SumPlaces::kEnd;
    Sums sums(carve, partial);
    EdgeBackward tile(p, sums, carve);
    const int groups = (p.nodes + kReceivers - 1) / kReceivers;
#pragma unroll 1
    for (int group = static_cast<int>(blockIdx.x); group < groups;
         group += static_cast<int>(gridDim.x)) {
      tile.run_group(group * kReceivers);
    }
    tile.store_sums(partial);
  }

 private:
  using Pulls::begin_, Pulls::count_, Pulls::receiver_, Pulls::a_row_, Pulls::pull_row_;
  using Pulls::e_, Pulls::gate_bias_, Pulls::passed_, Pulls::s_, Pulls::t_ij_, Pulls::vectors_;
  using Pulls::g_, Pulls::lane_, Pulls::p_, Pulls::sums_, Pulls::t_, Pulls::warp_;
  using Pulls::in_jet, Pulls::pair;
  using Pulls::kAll, Pulls::kOfS, Pulls::kOfT, Pulls::kSharedTotals, Pulls::kTotalsInRegisters;
  using Pulls::kTiles, Pulls::kSteps, Pulls::kOdd;
  using typename Pulls::C, typename Pulls::Pair, typename Pulls::Places, typename Pulls::Sums;
  using typename Pulls::SumPlaces;
  static constexpr int kRow = padded_row(H);
  static constexpr int kUnrolled = kTotalsInRegisters ? kSteps : 1;

  __device__ __forceinline__ EdgeBackward(const Params& p, Sums& sums, prim::Carver& carve)
      : Pulls(p, sums,
              p.partial + static_cast<long>(blockIdx.x) * SumPlaces::kEnd + SumPlaces::kLanes,
              carve),
        part_(warp_ % kParts),
        a_rows_(carve.template take<float>(kReceivers * kRow)),
        pull_rows_(carve.template take<float>(kReceivers * kRow)) {}

  __device__ __forceinline__ void run_group(int first) {
    load(first);
    __syncthreads();
    find_rows(first);
#pragma unroll
    for (int k = 0; k < kOfS; ++k) this->template total<0>(k) = 0;
#pragma unroll 1
    for (int step = 0; step < steps_; ++step) {
      const int round = step * kParts + part_;
      const bool active = round < num_rounds_;  // the same in a warp
      sums_.set_active(active);
      if (active) this->recompute(round);
      if constexpr (kMoves) {
        __syncthreads();
        sums_.add_signs_y();
        __syncthreads();
      }
      if (active) this->pull_messages();
      __syncthreads();
      sums_.add_y_x();
      if (active) pull_inputs(round);
      __syncthreads();
    }
    store_rows();
  }

  /// The receivers' rows: a, in the batch norm's units, and dL/dmessage.
  __device__ __forceinline__ void load(int first) {
    constexpr int kQuarters = H / 4;
    const int rows = min(kReceivers, p_.nodes - first);
    for (int k = static_cast<int>(threadIdx.x); k < rows * kQuarters; k += kThreads) {
      const int c = k % kQuarters * 4, to = k / kQuarters * kRow + c;
      const long from = static_cast<long>(first) * H + 4 * k;
      const float4 a = *reinterpret_cast<const float4*>(p_.a + from),
                   scale = *reinterpret_cast<const float4*>(p_.norm.scale + c),
                   shift = *reinterpret_cast<const float4*>(p_.norm.shift + c);
      *reinterpret_cast<float4*>(a_rows_ + to) =
          float4{fmaf(a.x, scale.x, shift.x), fmaf(a.y, scale.y, shift.y),
                 fmaf(a.z, scale.z, shift.z), fmaf(a.w, scale.w, shift.w)};
      *reinterpret_cast<float4*>(pull_rows_ + to) =
          *reinterpret_cast<const float4*>(p_.message_gradient + from);
    }
  }

  /// A lane's two receivers, rows g and g + 8 of its tile, and how many rounds there are.
  __device__ __forceinline__ void find_rows(int first) {
    const int tile = first + warp_ / kParts * kTileRows;
    tile_first_ = tile;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int i = tile + g_ + 8 * h, at = min(i, p_.nodes - 1);
      const int2 jet = p_.span[at];
      receiver_[h] = at;
      begin_[h] = jet.x;
      count_[h] = i < p_.nodes ? jet.y - jet.x : 0;
      a_row_[h] = a_rows_ + (at - first) * kRow;
      pull_row_[h] = pull_rows_ + (at - first) * kRow;
    }
    num_rounds_ = most(max(count_[0], count_[1]));
    const int row = first + lane_ % kReceivers;
    const int2 jet = p_.span[min(row, p_.nodes - 1)];
    steps_ = (most(jet.y - jet.x) + kParts - 1) / kParts;
  }
  static __device__ __forceinline__ int most(int count) {
#pragma unroll
    for (int bit = 1; bit < kWarpLanes; bit *= 2) {
      count = max(count, __shfl_xor_sync(kAll, count, bit));
    }
    return count;
  }

  /// q, a group of column tiles at a time, and all that is summed of it.
  __device__ __forceinline__ void pull_inputs(int round) {
    float p[2][2] = {};
#pragma unroll(kUnrolled)
    for (int step = 0; step < kSteps; ++step) pull_columns<2>(round, 2 * step, p);
    if constexpr (kOdd) pull_columns<1>(round, kTiles - 1, p);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        p[h][k] += __shfl_xor_sync(kAll, p[h][k], 1);
        p[h][k] += __shfl_xor_sync(kAll, p[h][k], 2);
      }
      if (!in_jet(h, round)) continue;
      if (t_ == 0) p_.p_s[pair(h, round)] = p[h][0];
      if (t_ == 1) p_.p_t[pair(h, round)] = p[h][1];
    }
  }

  /// \param p  a lane's part of the products of q with u and v, for each receiver
  template <int N>
  __device__ __forceinline__ void pull_columns(int round, int n0, float (&p)[2][2]) {
    float d[2][4], u[2 * N], v[2 * N], q[2][2 * N];
    this->template multiply_columns<N>(p_.transposed + n0 * Places::kVector, e_[0], d[0], d[N - 1]);
    this->read_row(vectors_ + H + C::at(n0, t_, 0), u);
    this->read_row(vectors_ + 2 * H + C::at(n0, t_, 0), v);
#pragma unroll
    for (int k = 0; k < 2 * N; ++k) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const bool passed = (passed_[h] >> (2 * n0 + k) & 1U) != 0U;
        q[h][k] = passed ? d[k / 2][2 * h + k % 2] : 0.0F;
        p[h][0] = fmaf(u[k], q[h][k], p[h][0]);
        p[h][1] = fmaf(v[k], q[h][k], p[h][1]);
        this->template total<0>(4 * (n0 + k / 2) + 2 * h + k % 2) += q[h][k];
      }
      float& of_s = this->template total<kOfS>(kOfS + 2 * n0 + k);
      float& of_t = this->template total<kOfT>(kOfT + 2 * n0 + k);
      of_s = fmaf(s_[0], q[0][k], fmaf(s_[1], q[1][k], of_s));
      of_t = fmaf(t_ij_[0], q[0][k], fmaf(t_ij_[1], q[1][k], of_t));
    }
    add_columns<N>(round, n0, q);
  }

  /// The sum over the receivers of each jet in the tile.
  template <int N>
  __device__ __forceinline__ void add_columns(int round, int n0, const float (&q)[2][2 * N]) {
    const int past = min(tile_first_ + kTileRows, p_.nodes);
    for (int node = tile_first_; node < past;) {
      const int2 jet = p_.span[node];
      node = jet.y;
      if (round >= jet.y - jet.x) continue;  // the same in a warp
      float sum[2 * N];
#pragma unroll
      for (int k = 0; k < 2 * N; ++k) {
        sum[k] = (begin_[0] == jet.x && count_[0] > 0 ? q[0][k] : 0.0F) +
                 (begin_[1] == jet.x && count_[1] > 0 ? q[1][k] : 0.0F);
      }
      add_rows(sum);
      const long row =
          first_column_row(p_.kept.first_pair[jet.x], jet.x) +
          static_cast<long>(tile_first_ / kTileRows - jet.x / kTileRows) * (jet.y - jet.x) + round;
      float* const to = p_.columns + row * H + C::at(n0, t_, 0);
      if (g_ % (N == 2 ? 2 : 4) == 0) to[g_ / (N == 2 ? 2 : 4)] = sum[0];
    }
  }
  /// Sums over the eight lanes of a column: sum[0] becomes that of number g / 2, or of g / 4 of
  /// two.
  __device__ __forceinline__ void add_rows(float (&sum)[4]) const {
    float two[2];
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const float give = g_ < 4 ? sum[2 + k] : sum[k], keep = g_ < 4 ? sum[k] : sum[2 + k];
      two[k] = keep + __shfl_xor_sync(kAll, give, 16);
    }
    const float give = g_ % 4 < 2 ? two[1] : two[0], keep = g_ % 4 < 2 ? two[0] : two[1];
    sum[0] = keep + __shfl_xor_sync(kAll, give, 8);
    sum[0] += __shfl_xor_sync(kAll, sum[0], 4);
  }
  __device__ __forceinline__ void add_rows(float (&sum)[2]) const {
    const float give = g_ < 4 ? sum[1] : sum[0], keep = g_ < 4 ? sum[0] : sum[1];
    sum[0] = keep + __shfl_xor_sync(kAll, give, 16);
    sum[0] += __shfl_xor_sync(kAll, sum[0], 8);
    sum[0] += __shfl_xor_sync(kAll, sum[0], 4);
  }

  /// The receivers' sums of q, those of a tile's warps in order.
  __device__ __forceinline__ void store_rows() {
    static_assert(Sums::kOwnBytes >= 2 * kTiles * kWarpLanes * sizeof(float));
#pragma unroll
    for (int half = 0; half < 2; ++half) {  // rows g, then g + 8: as many as there is memory for
      float* const own = sums_.own(warp_) + lane_ * 2;
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        *reinterpret_cast<float2*>(own + n * 2 * kWarpLanes) =
            float2{this->template total<0>(4 * n + 2 * half),
                   this->template total<0>(4 * n + 2 * half + 1)};
      }
      __syncthreads();
      if (part_ == 0 && count_[half] > 0) store_row(half);
      __syncthreads();
    }
  }
  __device__ __forceinline__ void store_row(int half) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      float2 sum{0, 0};
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        const float2 one = *reinterpret_cast<const float2*>(sums_.own(warp_ + part) + lane_ * 2 +
                                                            n * 2 * kWarpLanes);
        sum.x += one.x;
        sum.y += one.y;
      }
      const long row = half == 0 ? receiver_[0] : receiver_[1];
      *reinterpret_cast<float2*>(p_.q_row + row * H + C::at(n, t_, 0)) = sum;
    }
  }

  /// The block's sums over edges: those of s q, t q and the gate over its warps in order.
  __device__ __forceinline__ void store_sums(float* partial) {
    sums_.store();
    static_assert(Sums::kOwnBytes >= (3 * H + 1) * sizeof(float));
    float* const own = sums_.own(warp_);
#pragma unroll
    for (int k = 0; k < 6 * kTiles; ++k) {
      float sum = this->template total<kOfS>(kOfS + k);
#pragma unroll
      for (int bit = 4; bit < kWarpLanes; bit *= 2) sum += __shfl_xor_sync(kAll, sum, bit);
      const int row = k / (2 * kTiles), of_row = k % (2 * kTiles);
      if (g_ == 0) own[row * H + C::at(of_row / 2, t_, of_row % 2)] = sum;
    }
    float bias = gate_bias_;
#pragma unroll
    for (int bit = 4; bit < kWarpLanes; bit *= 2) bias += __shfl_xor_sync(kAll, bias, bit);
    if (lane_ == 0) own[3 * H] = bias;
    __syncthreads();
    for (int k = static_cast<int>(threadIdx.x); k < 3 * H + 1; k += kThreads) {
      float sum = 0;
      for (int warp = 0; warp < kWarps; ++warp) sum += sums_.own(warp)[k];
      partial[SumPlaces::kRows + k] = sum;
    }
  }

  int part_;  ///< of the warps that share a tile
  float *a_rows_, *pull_rows_;
  int tile_first_ = 0, num_rounds_ = 0, steps_ = 0;  ///< rounds of the tile; of the block, by parts
};

}  // namespace lorentznet::cuda
