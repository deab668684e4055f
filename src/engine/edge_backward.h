#pragma once

#include "engine/edge_forward.h"

namespace lorentznet::fused {

// The edge part of a layer, backward: chunk by chunk as forward. Every product is over the inputs
// that are not zero: with weights, a row for each channel of e or y; for the weights' gradients, a
// row for each edge of the chunk in which the channel of e is not zero.

/// Copies what the forward pass keeps of a chunk's edges, of which `done` precede it.
/// \param values  where the chunk's begin \return where they end
template <typename S>
typename S::Scalar* keep_edges(const EdgeChunk<S>& chunk, long done,
                               const KeptEdges<typename S::Scalar>& kept,
                               typename S::Scalar* values) {
  const int words = chunk.words;
  const auto bytes = sizeof(std::uint64_t) * static_cast<unsigned long>(chunk.count * words);
  __builtin_memcpy(kept.e + done * words, chunk.e_mask.get(), bytes);
  __builtin_memcpy(kept.y + done * words, chunk.y_mask.get(), bytes);
  for (int k = 0; k < chunk.count; ++k) {
    kept.gate[done + k] = chunk.gate[k];
    const auto* const mask = bytes_of(chunk.e_mask.get() + k * words, 0);
    for (int at = 0; at < chunk.step; at += S::kLanes) {
      const unsigned bits = bits_at<Vector<S>>(mask, at);
      S::compress(bits, load<Vector<S>>(chunk.e.get() + k * chunk.step + at), values);
      values += __builtin_popcount(bits);
    }
  }
  return values;
}

/// The reverse.
template <typename S>
const typename S::Scalar* kept_edges(const KeptEdges<typename S::Scalar>& kept, long done,
                                     const typename S::Scalar* values, EdgeChunk<S>& chunk) {
  const int words = chunk.words;
  const auto bytes = sizeof(std::uint64_t) * static_cast<unsigned long>(chunk.count * words);
  __builtin_memcpy(chunk.e_mask.get(), kept.e + done * words, bytes);
  __builtin_memcpy(chunk.y_mask.get(), kept.y + done * words, bytes);
  for (int k = 0; k < chunk.count; ++k) {
    chunk.gate[k] = kept.gate[done + k];
    const auto* const mask = bytes_of(chunk.e_mask.get() + k * words, 0);
    for (int at = 0; at < chunk.step; at += S::kLanes) {
      const unsigned bits = bits_at<Vector<S>>(mask, at);
      store(chunk.e.get() + k * chunk.step + at, S::expand(bits, values));
      values += __builtin_popcount(bits);
    }
  }
  return values;
}

/// Bit r of columns[c] is bit c of row r: masks of edges out of masks of channels.
/// \param rows [count, words] \param columns [kWord * words]
template <typename S>
void transpose_masks(const std::uint64_t* rows, int count, int words, std::uint64_t* columns) {
  for (int word = 0; word < words; ++word, columns += kWord) {
    for (int row = 0; row < kWord; ++row) columns[row] = row < count ? rows[row * words + word] : 0;
    std::uint64_t low = 0xffffffffU;  // of each block of 2 * width bits
    for (int width = kWord / 2; width > 0; width /= 2, low ^= low << static_cast<unsigned>(width)) {
      for (int block = 0; block < kWord; block += 2 * width) {
        for (int row = block; row < block + width; ++row) {
          const auto shift = static_cast<unsigned>(width);
          const auto swapped = (columns[row] >> shift ^ columns[row + width]) & low;
          columns[row] ^= swapped << shift;
          columns[row + width] ^= swapped;
        }
      }
    }
  }
}

/// What the backward pass over the edges of a jet is given.
template <typename T>
struct EdgePull {
  const T* message;   ///< [n] rows of H: dL/d(sum_j m_ij)
  const T* phi;       ///< pairs: dL/d phi_x(m_ij); null in the last layer
  KeptEdges<T> kept;  ///< null pointers: computed again
};

/// What it gives, each added to but s and t. q is dL/d(output of the batch norm).
template <typename T>
struct EdgeSums {
  T *receivers, *senders;  ///< [n] rows of H: sum_j q_ij, sum_i q_ij
  T *s, *t;                ///< pairs: sum_c u_c q_ijc, sum_c v_c q_ijc (u, v of PackedLayer)
  T *s_q, *t_q;            ///< row of H: sum of s_ij q_ij, t_ij q_ij
};

template <typename S>
class EdgeBackward {
 public:
  using T = typename S::Scalar;
  using V = Vector<S>;

  EdgeBackward(const PackedLayer<T>& layer, int n, const EdgeTerms<T>& terms,
               const EdgePull<T>& pull, const EdgeSums<T>& sums, const LayerGradients<T>& weights)
      : layer_(layer),
        pairs_(pair_step(n)),
        terms_(terms),
        pull_(pull),
        sums_(sums),
        weights_(weights),
        chunk_({0, n}, n, layer.hidden),
        gradient_(kChunk * chunk_.step),
        q_(kChunk * chunk_.step),
        y_gradient_(kChunk * chunk_.step),
        columns_(static_cast<long>(kWord) * chunk_.words, Unset{}) {}

  void run() {
    const T* values = pull_.kept.values;
    for (long done = 0; chunk_.next(); done += chunk_.count) {
      edge_inputs(layer_, pairs_, terms_, chunk_);
      if (values != nullptr) {
        values = kept_edges(pull_.kept, done, values, chunk_);
      } else {
        edge_embeddings(layer_, chunk_);
        if (layer_.moves) edge_movements(layer_, chunk_);
      }
      for (int k = 0; k < chunk_.count; ++k) {
        const long pair = chunk_.receiver[k] * pairs_ + chunk_.sender[k];
        s_[k] = terms_.s[pair];
        t_[k] = terms_.t[pair];
        phi_[k] = layer_.moves ? pull_.phi[pair] : 0;
      }
      if (layer_.moves) move_gradients();
      message_gradients();
      out_gradients();
      transpose_masks<S>(chunk_.e_mask.get(), chunk_.count, chunk_.words, columns_.get());
      if (layer_.moves) {
        add_weights(chunk_.e.get(), y_gradient_.get(), weights_.move_in);
      }
      add_weights(gradient_.get(), chunk_.x.get(), weights_.edge_out);
      input_gradients();
      add_over_edges();
    }
  }

 private:
  void message_gradients();
  void out_gradients();
  void move_gradients();
  void add_weights(const T* values, const T* rows, T* gradient);
  void input_gradients();
  void add_over_edges();

  const PackedLayer<T>& layer_;
  long pairs_;
  const EdgeTerms<T>& terms_;
  const EdgePull<T>& pull_;
  const EdgeSums<T>& sums_;
  const LayerGradients<T>& weights_;
  EdgeChunk<S> chunk_;
  Buffer<S, T> gradient_;    ///< rows of edges: gate dL/dm, then dL/d(phi_e.3)
  Buffer<S, T> q_;           ///< rows of edges
  Buffer<S, T> y_gradient_;  ///< rows of edges: dphi gate [y > 0]
  Buffer<S, std::uint64_t> columns_;
  T s_[kChunk], t_[kChunk], phi_[kChunk], logit_[kChunk];
};

/// gate dL/dm, and dL/d(logit of the gate) = (1 - gate) sum_c gate dL/dm_c e_c.
template <typename S>
void EdgeBackward<S>::message_gradients() {
  typename S::Sixteen gate_gradient[kChunk];
  const long step = chunk_.step;
  const int words = layer_.moves ? chunk_.words : 0;  // without phi_x nothing is added
  product<S>(
      {y_gradient_.get(), step, 1, chunk_.y_mask.get(), words}, chunk_.count, layer_.move_in_rows,
      layer_.hidden, [](int, int, auto&) {}, [
        =, receivers = &chunk_.receiver[0], messages = pull_.message, e = chunk_.e.get(),
        to = gradient_.get(), gates = &chunk_.gate[0], gate_sums = &gate_gradient[0]
      ](int k, int first, auto& sums) __attribute__((always_inline)) {
        const long row = k * step + first;
        const T* const message = messages + receivers[k] * step + first;
        const V gate = broadcast<V>(gates[k]);
        auto sum = first == 0 ? typename S::Sixteen{} : gate_sums[k];
        sums.each([&](auto& part, int at) __attribute__((always_inline)) {
          using Part = std::remove_reference_t<decltype(part)>;
          const Part value = S::fma(as<Part>(gate), load<Part>(message + at), part);
          store(to + row + at, value);
          sum.add(value, load<Part>(e + row + at), at);
        });
        gate_sums[k] = sum;
      });
  for (int k = 0; k < chunk_.count; ++k) {
    logit_[k] = gate_gradient[k].total() * (1 - chunk_.gate[k]);
  }
}

/// dL/d(output of phi_e.3) before its relu, and what the gate's parameters get.
template <typename S>
void EdgeBackward<S>::out_gradients() {
  for (int at = 0; at < chunk_.step; at += S::kLanes) {
    const V weight = load<V>(layer_.gate + at);
    V bias_sum = load<V>(weights_.edge_out_bias + at), gate_sum = load<V>(weights_.gate + at);
    for (int k = 0; k < chunk_.count; ++k) {
      T* const to = gradient_.get() + k * chunk_.step + at;
      const V e = load<V>(chunk_.e.get() + k * chunk_.step + at);
      const V logit = broadcast<V>(logit_[k]);
      const V value = S::fma(logit, weight, load<V>(to));
      const V kept = e <= 0 ? V{} : value;
      store(to, kept);
      bias_sum += kept;
      gate_sum = S::fma(logit, e, gate_sum);
    }
    store(weights_.edge_out_bias + at, bias_sum);
    store(weights_.gate + at, gate_sum);
  }
  for (int k = 0; k < chunk_.count; ++k) *weights_.gate_bias += logit_[k];
}

template <typename S>
void EdgeBackward<S>::move_gradients() {
  for (int at = 0; at < chunk_.step; at += S::kLanes) {
    V sum = load<V>(weights_.positive + at);
    for (int k = 0; k < chunk_.count; ++k) {
      const auto bits = bits_at<V>(bytes_of(chunk_.y_mask.get() + k * chunk_.words, 0), at);
      const V phi = S::where(bits, broadcast<V>(phi_[k]));
      store(y_gradient_.get() + k * chunk_.step + at, broadcast<V>(chunk_.gate[k]) * phi);
      sum += phi;
    }
    store(weights_.positive + at, sum);
  }
}

/// gradient[c] += sum over edges k of values[k][c] rows[k].
template <typename S>
void EdgeBackward<S>::add_weights(const T* values, const T* rows, T* gradient) {
  const long step = chunk_.step;
  product<S>(
      {values, 1, step, columns_.get(), 1}, layer_.hidden, rows, layer_.hidden,
      [=](int c, int first, auto& sums)
          __attribute__((always_inline)) { sums.load_from(gradient + c * step + first); },
      [=](int c, int first, auto& sums)
          __attribute__((always_inline)) { sums.store_to(gradient + c * step + first); });
}

/// q, what the senders get, and its products with u and v.
template <typename S>
void EdgeBackward<S>::input_gradients() {
  typename S::Sixteen s[kChunk], t[kChunk];
  const auto q = chunk_.of(q_, chunk_.x_mask);
  product<S>(
      {gradient_.get(), q.step, 1, chunk_.e_mask.get(), chunk_.words}, chunk_.count,
      layer_.edge_out_rows, layer_.hidden, [](int, int, auto&) {}, [
        =, senders = &chunk_.sender[0], rows = sums_.senders, u = layer_.u, v = layer_.v,
        s_sums = &s[0], t_sums = &t[0]
      ](int k, int first, auto& sums) __attribute__((always_inline)) {
        T* const sender = rows + senders[k] * q.step + first;
        const auto* const mask = bytes_of(q.masks + k * q.words, first);
        auto s_sum = first == 0 ? typename S::Sixteen{} : s_sums[k];
        auto t_sum = first == 0 ? typename S::Sixteen{} : t_sums[k];
        sums.each([&](auto& part, int at) __attribute__((always_inline)) {
          using Part = std::remove_reference_t<decltype(part)>;
          const Part value = S::where(bits_at<Part>(mask, at), part);
          store(q.rows + k * q.step + first + at, value);
          store(sender + at, load<Part>(sender + at) + value);
          s_sum.add(value, load<Part>(u + first + at), at);
          t_sum.add(value, load<Part>(v + first + at), at);
        });
        s_sums[k] = s_sum;
        t_sums[k] = t_sum;
      });
  for (int k = 0; k < chunk_.count; ++k) {
    const long pair = chunk_.receiver[k] * pairs_ + chunk_.sender[k];
    sums_.s[pair] = s[k].total();
    sums_.t[pair] = t[k].total();
  }
}

/// What the receivers get, and the sums with s and t.
template <typename S>
void EdgeBackward<S>::add_over_edges() {
  for (int at = 0; at < chunk_.step; at += S::kLanes) {
    V s_sum = load<V>(sums_.s_q + at), t_sum = load<V>(sums_.t_q + at);
    for (int k = 0; k < chunk_.count;) {
      T* const receiver = sums_.receivers + chunk_.receiver[k] * chunk_.step + at;
      V sum = load<V>(receiver);
      const int i = chunk_.receiver[k];
      for (; k < chunk_.count && chunk_.receiver[k] == i; ++k) {
        const V q = load<V>(q_.get() + k * chunk_.step + at);
        s_sum = S::fma(broadcast<V>(s_[k]), q, s_sum);
        t_sum = S::fma(broadcast<V>(t_[k]), q, t_sum);
        sum += q;
      }
      store(receiver, sum);
    }
    store(sums_.s_q + at, s_sum);
    store(sums_.t_q + at, t_sum);
  }
}

}  // namespace lorentznet::fused
