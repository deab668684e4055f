#pragma once

#include "engine/edge_forward.h"
#include "engine/pair_product.h"

namespace lorentznet::fused {

/// What the backward pass over the edges of a jet is given. q is dL/d(output of the batch norm).
template <typename Simd>
struct JetGradients {
  using T = typename Simd::Scalar;

  const T* message;            ///< [block][H][kLanes] dL/d(sum_j m_ij)
  const T* phi;                ///< [sender][receiver] dL/d phi_x(m_ij); null in the last layer
  const Integer<Simd>* signs;  ///< as JetSums::signs; null: computed again
};

/// What it gives, each added to.
template <typename Simd>
struct JetEdgeSums {
  using T = typename Simd::Scalar;

  T* receivers;  ///< [block][H][kLanes] sum_j q_ij
  T* senders;    ///< [n][whole_vectors(H)] sum_i q_ij
  T *s, *t;      ///< [sender][receiver] sum_c u_c q_ijc, sum_c v_c q_ijc (u, v of PackedLayer)
};

/// Sums over the edges of several jets.
template <typename Simd>
struct WeightGradients {
  using T = typename Simd::Scalar;

  T* edge_out;  ///< [H][paired_channels(H)][2] dL/d(weight of phi_e.3)
  T* move_in;   ///< same: sum of dL/dphi [y > 0] m^T, which diag(move_out) makes that of phi_x.0
  T* edge_out_bias;  ///< [H][kLanes], as are the next four
  T* gate;
  T* positive;   ///< sum of dL/dphi [y > 0]
  T *s, *t;      ///< sum of s_ij q_ij, t_ij q_ij
  T* gate_bias;  ///< [kLanes]
};

/// The arrays of a chunk of tiles.
template <typename Simd>
class Chunk {
 public:
  using T = typename Simd::Scalar;

  explicit Chunk(int hidden)
      : rows(whole_vectors<Simd>(hidden)),
        channels(paired_channels<Simd>(hidden)),
        inputs(rows * kRow),
        e(rows * kRow),
        q(rows * kRow),
        out_gradient(kRow * kChunk * rows, Unset{}),
        move_gradient(kRow * kChunk * rows, Unset{}),
        paired_inputs(kRow * kChunk * channels, Unset{}),
        paired_m(kRow * kChunk * channels, Unset{}) {}

  static constexpr long kRow = kTileRow<Simd>;
  int rows, channels;
  Buffer<Simd, T> inputs, e, q;                 ///< of one tile: [row][kEdgeVectors][kLanes]
  Buffer<Simd, T> out_gradient, move_gradient;  ///< of all, as PairedTiles::left
  Buffer<Simd, T> paired_inputs, paired_m;      ///< of all, as PairedTiles::right
  int tiles = 0;
  int vectors[kChunk] = {};
};

/// The backward pass over the edges of one jet; recomputes what the forward pass did not keep.
template <typename Simd>
class EdgeBackward {
 public:
  using T = typename Simd::Scalar;
  using V = Vector<Simd>;
  static constexpr int N = Simd::kLanes, kRow = kTileRow<Simd>;

  EdgeBackward(const JetShape<Simd>& shape, const Layer<Simd>& layer, const EdgeTerms<Simd>& terms,
               const JetGradients<Simd>& in, const JetEdgeSums<Simd>& out,
               const WeightGradients<Simd>& weights)
      : shape_(shape),
        layer_(layer),
        terms_(terms),
        in_(in),
        out_(out),
        weights_(weights),
        chunk_(layer.hidden),
        received_(static_cast<long>(layer.hidden) * kRow, Unset{}),
        signs_(in.signs == nullptr ? kEdgeVectors * sign_words(layer.hidden) : 0, Unset{}) {}

  void run() {
    for_each_tile(shape_, [&](const EdgeTile<Simd>& tile) {
      if (tile.vectors == 3) add_tile<3>(tile);
      if (tile.vectors == 2) add_tile<2>(tile);
      if (tile.vectors == 1) add_tile<1>(tile);
      chunk_.vectors[chunk_.tiles] = tile.vectors;
      if (++chunk_.tiles == kChunk) add_weight_gradients();
    });
    add_weight_gradients();
  }

 private:
  template <int R>
  void add_tile(const EdgeTile<Simd>& tile);
  template <int R>
  void move_gradients(const EdgeTile<Simd>& tile, const V* gate, T* gradient);
  template <int R>
  void message_gradients(const EdgeTile<Simd>& tile, const T* move_gradient, V* gate_gradient);
  template <int R>
  void out_gradients(const V* gate, const V* gate_gradient, T* gradient);
  template <int R>
  void input_gradients(const EdgeTile<Simd>& tile, const T* gradient);
  void add_weight_gradients();

  const JetShape<Simd>& shape_;
  const Layer<Simd>& layer_;
  const EdgeTerms<Simd>& terms_;
  const JetGradients<Simd>& in_;
  const JetEdgeSums<Simd>& out_;
  const WeightGradients<Simd>& weights_;
  Chunk<Simd> chunk_;
  Buffer<Simd, T> received_;            ///< dL/d(sum of m) of a flat tile's receivers
  Buffer<Simd, Integers<Simd>> signs_;  ///< of a tile
};

template <typename Simd>
template <int R>
void EdgeBackward<Simd>::add_tile(const EdgeTile<Simd>& tile) {
  T* const out_gradient = chunk_.out_gradient.get() + chunk_.tiles * chunk_.rows * kRow;
  T* const move_gradient = chunk_.move_gradient.get() + chunk_.tiles * chunk_.rows * kRow;
  const long paired = chunk_.tiles * chunk_.channels * kRow;
  V gate[R], one[R], gate_gradient[R];
  for (auto& value : one) value = V{} + 1;

  edge_inputs<Simd, Simd, R>(tile, shape_, layer_.hidden, terms_, chunk_.inputs.get());
  edge_embeddings<Simd, R>(tile, layer_, {chunk_.inputs.get(), kRow, N, layer_.hidden},
                           chunk_.e.get(), gate);
  transpose_pairs<Simd>(chunk_.inputs.get(), one, chunk_.channels, R,
                        chunk_.paired_inputs.get() + paired);
  if (layer_.moves) {
    transpose_pairs<Simd>(chunk_.e.get(), gate, chunk_.channels, R, chunk_.paired_m.get() + paired);
    move_gradients<R>(tile, gate, move_gradient);
  }
  message_gradients<R>(tile, move_gradient, gate_gradient);
  for (int r = 0; r < R; ++r) gate_gradient[r] *= gate[r] * (1 - gate[r]);
  out_gradients<R>(gate, gate_gradient, out_gradient);
  input_gradients<R>(tile, out_gradient);
  if (tile.flat) {
    add_to_receivers(tile, shape_, layer_.hidden, chunk_.q.get(), one, out_.receivers);
  }
  add_to_senders(tile, chunk_.rows, chunk_.q.get(), out_.senders);
}

/// dL/dphi where phi_x.0's output is positive, else 0.
template <typename Simd>
template <int R>
void EdgeBackward<Simd>::move_gradients(const EdgeTile<Simd>& tile, const V* gate, T* gradient) {
  const int words = sign_words(layer_.hidden);
  V phi[R];
  const auto* signs = reinterpret_cast<const Integer<Simd>*>(signs_.get());
  if (in_.signs != nullptr) {
    signs = in_.signs + static_cast<long>(tile.first_vector) * words * N;
  } else {
    edge_movements<Simd, R, true>(layer_, {chunk_.e.get(), kRow, N, layer_.hidden}, gate, phi,
                                  signs_.get());
  }
  for (int r = 0; r < R; ++r) {
    phi[r] = from_pairs(tile, r, shape_, in_.phi);
    if (tile.flat) phi[r] = lane_numbers<Simd>() + r * N < tile.used ? phi[r] : V{};
  }
  for (int k = 0; k < layer_.hidden; ++k) {
    V sum = load<V>(weights_.positive + k * N);
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const auto bits = load<Integers<Simd>>(signs + (r * words + k / kBitsPerWord) * N);
      const V value = (bits & bit_of<Simd>(k)) != 0 ? phi[r] : V{};
      store(gradient + k * kRow + r * N, value);
      sum += value;
    });
    store(weights_.positive + k * N, sum);
  }
}

/// dL/dm of a tile, into q, and sum_c dL/dm_c e_c, the gradient of the gate.
template <typename Simd>
template <int R>
void EdgeBackward<Simd>::message_gradients(const EdgeTile<Simd>& tile, const T* move_gradient,
                                           V* gate_gradient) {
  const T* rows = in_.message + static_cast<long>(tile.block) * layer_.hidden * N;
  int row = N, apart = 0;
  if (tile.flat) {
    for (int c = 0; c < layer_.hidden; ++c) {
      for (int r = 0; r < R; ++r) {
        store(received_.get() + c * kRow + r * N,
              Simd::permute(load<V>(rows + c * N), tile.receiver[r]));
      }
    }
    rows = received_.get();
    row = kRow;
    apart = N;
  }
  for (int r = 0; r < R; ++r) gate_gradient[r] = V{};
  T* const dm = chunk_.q.get();
  const T* const e = chunk_.e.get();
  const auto finish = [&](int c, const V* sums, V* gates) __attribute__((always_inline)) {
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const V value = sums[r] + load<V>(rows + c * row + r * apart);
      store(dm + c * kRow + r * N, value);
      gates[r] += value * load<V>(e + c * kRow + r * N);
    });
  };
  if (layer_.moves) {
    product<Simd, R>({move_gradient, kRow, N, layer_.hidden}, layer_.move_in_transposed,
                     layer_.hidden, gate_gradient, finish);
  } else {
    const V none[R] = {};
    for (int c = 0; c < layer_.hidden; ++c) finish(c, none, gate_gradient);
  }
}

/// dL/d(output of phi_e.3) before its relu, out of dL/dm in q.
template <typename Simd>
template <int R>
void EdgeBackward<Simd>::out_gradients(const V* gate, const V* gate_gradient, T* gradient) {
  const T* const dm = chunk_.q.get();
  const T* const e = chunk_.e.get();
  for (int c = 0; c < layer_.hidden; ++c) {
    const V weight = broadcast<V>(layer_.gate[c]);
    V bias_sum = load<V>(weights_.edge_out_bias + c * N);
    V gate_sum = load<V>(weights_.gate + c * N);
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const V value = load<V>(e + c * kRow + r * N);
      const V through_gate = gate[r] * load<V>(dm + c * kRow + r * N) + gate_gradient[r] * weight;
      const V result = value > 0 ? through_gate : V{};
      store(gradient + c * kRow + r * N, result);
      bias_sum += result;
      gate_sum += gate_gradient[r] * value;
    });
    store(weights_.edge_out_bias + c * N, bias_sum);
    store(weights_.gate + c * N, gate_sum);
  }
  V sum = load<V>(weights_.gate_bias);
  for (int r = 0; r < R; ++r) sum += gate_gradient[r];
  store(weights_.gate_bias, sum);
}

/// q of a tile and its sums over channels and, with s and t, over edges.
template <typename Simd>
template <int R>
void EdgeBackward<Simd>::input_gradients(const EdgeTile<Simd>& tile, const T* gradient) {
  T* const q = chunk_.q.get();
  const T* const inputs = chunk_.inputs.get();
  const auto finish = [&](int c, const V* sums) __attribute__((always_inline)) {
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const V value = load<V>(inputs + c * kRow + r * N) > 0 ? sums[r] : V{};
      store(q + c * kRow + r * N, value);
    });
  };
  product<Simd, R>({gradient, kRow, N, layer_.hidden}, layer_.edge_out_transposed, layer_.hidden,
                   finish);
  // Not in `finish`, where they would be in memory rather than in registers.
  V s[R], t[R], s_gradient[R] = {}, t_gradient[R] = {};
  for (int r = 0; r < R; ++r) {
    s[r] = from_pairs(tile, r, shape_, terms_.s);
    t[r] = from_pairs(tile, r, shape_, terms_.t);
  }
  T* const received = out_.receivers + static_cast<long>(tile.block) * layer_.hidden * N;
  for (int c = 0; c < layer_.hidden; ++c) {
    V s_sum = load<V>(weights_.s + c * N), t_sum = load<V>(weights_.t + c * N), sum{};
    const V u = broadcast<V>(layer_.u[c]), v = broadcast<V>(layer_.v[c]);
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const V value = load<V>(q + c * kRow + r * N);
      s_gradient[r] += u * value;
      t_gradient[r] += v * value;
      s_sum += s[r] * value;
      t_sum += t[r] * value;
      sum += value;
    });
    store(weights_.s + c * N, s_sum);
    store(weights_.t + c * N, t_sum);
    if (!tile.flat) store(received + c * N, load<V>(received + c * N) + sum);
  }
  for (int r = 0; r < R; ++r) {
    to_pairs(tile, r, shape_, s_gradient[r], out_.s);
    to_pairs(tile, r, shape_, t_gradient[r], out_.t);
  }
}

template <typename Simd>
void EdgeBackward<Simd>::add_weight_gradients() {
  const auto add = [&](const Buffer<Simd, T>& left, const Buffer<Simd, T>& right, T* sums) {
    pair_product<Simd>(
        {left.get(), right.get(), chunk_.rows, chunk_.channels, chunk_.tiles, chunk_.vectors},
        layer_.hidden, sums);
  };
  add(chunk_.out_gradient, chunk_.paired_inputs, weights_.edge_out);
  if (layer_.moves) add(chunk_.move_gradient, chunk_.paired_m, weights_.move_in);
  chunk_.tiles = 0;
}

}  // namespace lorentznet::fused
