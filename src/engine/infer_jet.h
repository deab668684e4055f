#pragma once

#include "engine/edge_forward.h"
#include "engine/engine.h"

namespace lorentznet::fused {

/// Inference of one jet, from the input to the logits. Nodes are padded rows. A team shares the
/// nodes: each thread has all rows, pairs and edges of its receivers, and they wait for each other
/// once a layer.
template <typename S>
class JetInference {
 public:
  using T = typename S::Scalar;
  using V = Vector<S>;

  JetInference(const PackedNetwork<T>& network, const JetNodes<T>& jet, const Team& team)
      : network_(network),
        jet_(jet),
        team_(team),
        n_(jet.n),
        hidden_(network.hidden),
        step_(padded(network.hidden)),
        h_(n_ * step_),
        a_(n_ * step_),
        b_(n_ * step_),
        next_b_(n_ * step_),
        message_(n_ * step_),
        y_(n_ * step_),
        mask_(static_cast<long>(n_) * words_of(hidden_)),
        all_hidden_(words_of(hidden_), Unset{}),
        all_scalars_(words_of(network.scalars), Unset{}),
        s_(n_ * pair_step(n_)),
        t_(n_ * pair_step(n_)),
        phi_(n_ * pair_step(n_)),
        x_(4L * n_, Unset{}),
        translation_(4L * n_, Unset{}) {
    set_all<S>(hidden_, all_hidden_.get());
    set_all<S>(network.scalars, all_scalars_.get());
    for (int k = 0; k < 4 * n_; ++k) x_[k] = jet_.x[k];
  }

  void run(T* logits) {
    each_part([this](NodeRange nodes) {
      rows(nodes, scalars(), network_.embedding, network_.embedding_bias, h_.get());
      project(nodes, network_.nodes[0], b_.get());
    });
    for (int layer = 0; layer < network_.layers; ++layer) {
      const Coordinates<S> x(n_, x_.get());
      const bool odd = layer % 2 != 0;
      T* const b = (odd ? next_b_ : b_).get();
      T* const next_b = (odd ? b_ : next_b_).get();
      each_part([&, this](NodeRange nodes) {
        edges(nodes, network_.edges[layer], x, b);
        update_nodes(nodes, network_.nodes[layer]);
        if (layer + 1 < network_.layers) project(nodes, network_.nodes[layer + 1], next_b);
      });
    }
    decode(logits);
  }

 private:
  /// f(nodes of a part), by all of the team.
  template <typename F>
  void each_part(const F& f) {
    struct Work {
      const F& f;
      int n, parts;
    } work{f, n_, team_.size()};
    team_.run(
        [](void* context, int part) {
          const Work& of = *static_cast<Work*>(context);
          const long n = of.n, next = part + 1;
          of.f(NodeRange{static_cast<int>(n * part / of.parts),
                         static_cast<int>(n * next / of.parts)});
        },
        &work);
  }

  /// Rows of nodes, as inputs of a product.
  struct Rows {
    const T* first;
    long step;
    const std::uint64_t* all;  ///< a mask of all inputs
    int width;
  };
  Rows of(const Buffer<S, T>& buffer) const {
    return {buffer.get(), step_, all_hidden_.get(), hidden_};
  }
  Rows scalars() const {
    return {jet_.scalars, network_.scalars, all_scalars_.get(), network_.scalars};
  }

  /// out = begin + rows weights; `begin` and `finish` take the place of a node's row of H.
  template <typename Begin, typename Finish>
  void multiply(NodeRange nodes, Rows in, const T* weights, const Begin& begin,
                const Finish& finish) {
    const long step = step_, from = nodes.first * step;
    product<S>(
        {in.first + nodes.first * in.step, in.step, 1, in.all, words_of(in.width), true},
        nodes.end - nodes.first, weights, hidden_,
        [&](int i, int first, auto& sums)
            __attribute__((always_inline)) { begin(from + i * step + first, first, sums); },
        [&](int i, int first, auto& sums)
            __attribute__((always_inline)) { finish(from + i * step + first, sums); });
  }
  /// out = rows weights + bias
  void rows(NodeRange nodes, Rows in, const T* weights, const T* bias, T* out) {
    multiply(
        nodes, in, weights,
        [&](long, int first, auto& sums)
            __attribute__((always_inline)) { sums.load_from(bias + first); },
        [&](long at, auto& sums) __attribute__((always_inline)) { sums.store_to(out + at); });
  }
  /// out += rows weights
  void add_rows(NodeRange nodes, Rows in, const T* weights, T* out) {
    multiply(
        nodes, in, weights,
        [&](long at, int, auto& sums) __attribute__((always_inline)) { sums.load_from(out + at); },
        [&](long at, auto& sums) __attribute__((always_inline)) { sums.store_to(out + at); });
  }

  /// a_i and b_i of a layer.
  void project(NodeRange nodes, const PackedNodes<T>& layer, T* b) {
    rows(nodes, of(h_), layer.receivers, layer.receiver_bias, a_.get());
    multiply(
        nodes, of(h_), layer.senders, [](long, int, auto&) {},
        [&](long at, auto& sums) __attribute__((always_inline)) { sums.store_to(b + at); });
  }

  /// The edges to some receivers; their messages and coordinates.
  void edges(NodeRange receivers, const PackedLayer<T>& layer, const Coordinates<S>& x,
             const T* b) {
    products_of_pairs(receivers, n_, x, s_.get(), t_.get());
    const long first = receivers.first * step_, end = receivers.end * step_;
    __builtin_memset(message_.get() + first, 0,
                     static_cast<unsigned long>(end - first) * sizeof(T));
    const EdgeTerms<T> terms{a_.get(), b, s_.get(), t_.get()};
    for (EdgeChunk<S> chunk(receivers, n_, hidden_); chunk.next();) {
      edge_pass(layer, pair_step(n_), terms, chunk, message_.get(), phi_.get());
    }
    if (!layer.moves) return;
    translations(receivers, n_, x, phi_.get(), translation_.get());
    const double step = network_.c_weight / (n_ > 2 ? n_ - 1 : 1);
    for (int k = 4 * receivers.first; k < 4 * receivers.end; ++k) {
      x_[k] += step * translation_[k];
    }
  }

  /// h += phi_h([h, sum_j m_ij, scalars])
  void update_nodes(NodeRange nodes, const PackedNodes<T>& layer) {
    const T* const weights = layer.in;
    rows(nodes, of(h_), weights, layer.in_bias, y_.get());
    add_rows(nodes, of(message_), weights + hidden_ * step_, y_.get());
    add_rows(nodes, scalars(), weights + 2L * hidden_ * step_, y_.get());
    relu_rows(nodes);
    const int words = words_of(hidden_);
    product<S>(
        {y_.get() + nodes.first * step_, step_, 1,
         mask_.get() + static_cast<long>(nodes.first) * words, words},
        nodes.end - nodes.first, layer.out, hidden_,
        [&](int, int first, auto& sums)
            __attribute__((always_inline)) { sums.load_from(layer.out_bias + first); },
        [&](int i, int first, auto& sums) __attribute__((always_inline)) {
          T* const h = h_.get() + (nodes.first + i) * step_ + first;
          sums.each([&](auto& part, int at) __attribute__((always_inline)) {
            store(h + at, load<std::remove_reference_t<decltype(part)>>(h + at) + part);
          });
        });
  }

  void relu_rows(NodeRange nodes) {
    const int words = words_of(hidden_);
    for (int i = nodes.first; i < nodes.end; ++i) {
      auto* const mask = mask_.get() + static_cast<long>(i) * words;
      for (int at = 0; at < step_; at += S::kLanes) {
        T* const y = y_.get() + i * step_ + at;
        const V value = load<V>(y);
        store(y, S::relu(value));
        put_bits<V>(bytes_of(mask, 0), at, S::nonzero(value));
      }
      mask[words - 1] &= all_hidden_[words - 1];
    }
  }

  /// graph_dec of sum_i h_i / n_nodes.
  void decode(T* logits) {
    Buffer<S, T> pooled(step_), decoded(step_);
    for (int i = 0; i < n_; ++i) {
      for (int c = 0; c < hidden_; ++c) pooled[c] += h_[i * step_ + c];
    }
    for (int c = 0; c < hidden_; ++c) pooled[c] /= jet_.n_nodes;
    for (int k = 0; k < hidden_; ++k) {
      const T value = dot(network_.decode_in + static_cast<long>(k) * hidden_, pooled.get()) +
                      network_.decode_in_bias[k];
      decoded[k] = 0 > value ? 0 : value;
    }
    for (int k = 0; k < network_.classes; ++k) {
      logits[k] = dot(network_.decode_out + static_cast<long>(k) * hidden_, decoded.get()) +
                  network_.decode_out_bias[k];
    }
  }

  T dot(const T* weights, const T* values) const {
    T lanes[kRowStep] = {};
    for (int c = 0; c < hidden_; ++c) lanes[c % kRowStep] += weights[c] * values[c];
    for (int half = kRowStep / 2; half > 0; half /= 2) {
      for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    }
    return lanes[0];
  }

  const PackedNetwork<T>& network_;
  const JetNodes<T>& jet_;
  const Team& team_;
  int n_, hidden_;
  long step_;
  Buffer<S, T> h_, a_, b_, next_b_, message_, y_;
  Buffer<S, std::uint64_t> mask_, all_hidden_, all_scalars_;
  Buffer<S, T> s_, t_, phi_;
  Buffer<S, double> x_, translation_;
};

}  // namespace lorentznet::fused
