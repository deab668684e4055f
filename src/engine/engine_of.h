#pragma once

#include "engine/edge_backward.h"
#include "engine/engine.h"
#include "engine/infer_jet.h"
#include "engine/linear_rows.h"
#include "engine/node_norm.h"
#include "engine/pack_layer.h"
#include "engine/pair_gradients.h"

namespace lorentznet::fused {

/// The engine of one instruction set.
template <typename Simd>
class EngineOf final : public Engine<typename Simd::Scalar> {
 public:
  using T = typename Simd::Scalar;
  static constexpr int N = Simd::kLanes;

  long pairs(int n) const override { return static_cast<long>(n) * JetShape<Simd>(n).padded; }
  long signs(int n, int hidden) const override {
    return static_cast<long>(edge_vectors(JetShape<Simd>(n))) * sign_words(hidden) * N *
           (sizeof(Integer<Simd>) == 4 ? 1 : 2);
  }

  void pack_linear(const T* weight, const PackedLinear<T>& layer) const override {
    pack_weights<Simd>(weight, layer.inputs, 1, layer.outputs, layer.inputs, layer.forward);
    pack_weights<Simd>(weight, 1, layer.inputs, layer.inputs, layer.outputs, layer.transposed);
  }
  void pack(const LayerParameters<T>& p, PackedLayer<T>& to) const override {
    pack_layer<Simd>(p, to);
  }
  void pack_product(const T* weight, int outputs, int inputs, T* packed) const override {
    pack_weights<Simd>(weight, inputs, 1, outputs, inputs, packed);
  }
  void pack_dot(const T* weight, int outputs, int inputs, T* packed) const override {
    pack_joined<typename Simd::Dot>(weight, outputs, inputs, packed);
  }
  void infer(const PackedNetwork<T>& network, const JetNodes<T>& jet, T* logits) const override {
    JetInference<Simd>(network, jet).run(logits);
  }
  void linear(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
              T* out) const override {
    linear_forward<Simd>(layer, n, in, out);
  }
  void linear_backward(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
                       const T* out_gradient, const RowPieces<T>& in_gradient,
                       T* weight) const override {
    LinearBackward<Simd> backward(layer);
    backward.run(n, in, out_gradient, in_gradient);
    backward.add_weights(weight);
  }
  void normalise(const Normalisation<T>& norm, int n, int width, const T* z,
                 T* out) const override {
    fused::normalise<T>(norm, n, width, z, out);
  }
  void relu_backward(const NormValues& norm, int n, int width, const T* z, const T* y, T* gradient,
                     double* sums) const override {
    fused::relu_backward<T>(norm, n, width, z, y, gradient, sums);
  }
  void norm_backward(const NormValues& norm, const T* scale, const double* means, int n, int width,
                     const T* z, T* gradient, double* bias) const override {
    fused::norm_backward<T>(norm, scale, means, n, width, z, gradient, bias);
  }
  void add_rows(int n, int width, const T* rows, double* sums) const override {
    fused::add_rows<T>(n, width, rows, sums);
  }

  void statistics(const LayerParameters<T>& p, const JetInput<T>& jet,
                  const JetStatistics& sums) const override;
  void forward(const PackedLayer<T>& layer, const Normalisation<T>& norm, const JetInput<T>& jet,
               const JetForward<T>& out) const override;
  void backward_edges(const LayerParameters<T>& p, const PackedLayer<T>& layer,
                      const Normalisation<T>& norm, const JetInput<T>& jet,
                      const JetBackward<T>& arrays,
                      const LayerGradients<T>& gradients) const override;
  void backward_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                      const JetInput<T>& jet, const JetBackward<T>& arrays,
                      const InputGradients<T>& out) const override;
};

/// The arrays that both passes over a jet's edges read: nodes in blocks, s and t of the pairs.
template <typename Simd>
struct JetTerms {
  using T = typename Simd::Scalar;

  JetTerms(const JetShape<Simd>& shape, int hidden, const Normalisation<T>& norm,
           const JetInput<T>& jet)
      : x(shape, jet.x),
        a(static_cast<long>(shape.blocks) * hidden * Simd::kLanes, Unset{}),
        b(static_cast<long>(shape.blocks + 1) * hidden * Simd::kLanes, Unset{}),
        s(static_cast<long>(shape.n) * shape.padded, Unset{}),
        t(static_cast<long>(shape.n) * shape.padded, Unset{}) {
    using V = Vector<Simd>;
    rows_to_blocks(shape, jet.a_b, 2 * hidden, hidden, a.get(), [&](int c, V lanes) {
      return lanes * broadcast<V>(norm.scale[c]) + broadcast<V>(norm.shift[c]);
    });
    rows_to_blocks(shape, jet.a_b + hidden, 2 * hidden, hidden, b.get(),
                   [&](int c, V lanes) { return lanes * broadcast<V>(norm.scale[c]); });
    products_of_pairs(shape, x, s.get(), t.get());
  }
  EdgeTerms<Simd> of(const PackedLayer<T>& layer) const {
    return {a.get(), b.get(), layer.u, layer.v, s.get(), t.get()};
  }

  Coordinates<Simd> x;
  Buffer<Simd, T> a, b, s, t;
};

template <typename Simd>
void EngineOf<Simd>::statistics(const LayerParameters<T>& p, const JetInput<T>& jet,
                                const JetStatistics& sums) const {
  const JetShape<Simd> shape(jet.n);
  const Coordinates<Simd> x(shape, jet.x);
  Buffer<Simd, T> s(pairs(jet.n), Unset{}), t(pairs(jet.n), Unset{});
  products_of_pairs(shape, x, s.get(), t.get());
  add_statistics(p, jet, PairSums<Simd>(shape, s.get(), t.get()), sums);
}

template <typename Simd>
void EngineOf<Simd>::forward(const PackedLayer<T>& layer, const Normalisation<T>& norm,
                             const JetInput<T>& jet, const JetForward<T>& out) const {
  const JetShape<Simd> shape(jet.n);
  const JetTerms<Simd> terms(shape, layer.hidden, norm, jet);
  if (layer.moves) clear_pairs(shape, out.phi);
  Buffer<Simd, T> message(static_cast<long>(shape.blocks) * layer.hidden * N);
  edge_pass<Simd>(shape, layer, terms.of(layer),
                  {message.get(), out.phi, reinterpret_cast<Integer<Simd>*>(out.signs)});
  blocks_to_rows(shape, message.get(), layer.hidden, out.message, layer.hidden);
  if (layer.moves) translations(shape, terms.x, out.phi, out.translation);
}

/// The sums of WeightGradients in memory of their own, and their way into LayerGradients.
template <typename Simd>
class WeightSums {
 public:
  using T = typename Simd::Scalar;
  static constexpr int N = Simd::kLanes;

  explicit WeightSums(int hidden)
      : hidden_(hidden),
        channels_(paired_channels<Simd>(hidden)),
        matrices_(2L * hidden * channels_ * 2),
        lanes_((5L * hidden + 1) * N) {}

  WeightGradients<Simd> arrays() {
    const long matrix = 2L * hidden_ * channels_, row = static_cast<long>(hidden_) * N;
    T* const lanes = lanes_.get();
    return {matrices_.get(), matrices_.get() + matrix, lanes,           lanes + row,
            lanes + 2 * row, lanes + 3 * row,          lanes + 4 * row, lanes + 5 * row};
  }

  void add_to(const LayerParameters<T>& p, bool moves, const LayerGradients<T>& to) {
    const auto sums = arrays();
    const auto total = [](const T* lanes) { return sum_of_lanes<Simd>(load<Vector<Simd>>(lanes)); };
    *to.gate_bias += total(sums.gate_bias);
    for (int k = 0; k < hidden_; ++k) {
      to.edge_out_bias[k] += total(sums.edge_out_bias + k * N);
      to.gate[k] += total(sums.gate + k * N);
      to.s_q[k] += total(sums.s + k * N);
      to.t_q[k] += total(sums.t + k * N);
      for (int c = 0; c < hidden_; ++c) to.edge_out[k * hidden_ + c] += pair(sums.edge_out, k, c);
      if (moves) add_move(p, k, total(sums.positive + k * N), sums.move_in, to);
    }
  }

 private:
  T pair(const T* matrix, int k, int c) const {
    const T* two = matrix + 2L * (k * channels_ + c);
    return two[0] + two[1];
  }
  /// With D = sum dphi [y > 0] m^T: d(move_in) = diag(move_out) D; y = move_in m + bias, hence
  /// d(move_out)_k = sum dphi relu(y_k) = sum_c move_in_kc D_kc + bias_k sum dphi [y_k > 0].
  void add_move(const LayerParameters<T>& p, int k, T positive, const T* matrix,
                const LayerGradients<T>& to) const {
    T product = p.move_in_bias[k] * positive;
    for (int c = 0; c < hidden_; ++c) {
      const T value = pair(matrix, k, c);
      to.move_in[k * hidden_ + c] += p.move_out[k] * value;
      product += p.move_in[k * hidden_ + c] * value;
    }
    to.move_in_bias[k] += p.move_out[k] * positive;
    to.move_out[k] += product;
  }

  int hidden_, channels_;
  Buffer<Simd, T> matrices_, lanes_;
};

template <typename Simd>
void EngineOf<Simd>::backward_edges(const LayerParameters<T>& p, const PackedLayer<T>& layer,
                                    const Normalisation<T>& norm, const JetInput<T>& jet,
                                    const JetBackward<T>& arrays,
                                    const LayerGradients<T>& gradients) const {
  const int hidden = layer.hidden, rows = whole_vectors<Simd>(hidden);
  const JetShape<Simd> shape(jet.n);
  const JetTerms<Simd> terms(shape, hidden, norm, jet);
  const long nodes = static_cast<long>(shape.blocks) * hidden * N;
  Buffer<Simd, T> message(nodes, Unset{}), receivers(nodes);
  Buffer<Simd, T> senders(static_cast<long>(jet.n) * rows);
  Buffer<Simd, T> phi(layer.moves ? pairs(jet.n) : 0, Unset{});
  rows_to_blocks(shape, arrays.message_gradient, hidden, hidden, message.get(),
                 [](int, Vector<Simd> lanes) { return lanes; });
  if (layer.moves) {
    const Coordinates<Simd> pull(shape, arrays.translation_gradient);
    gradients_of_phi(shape, terms.x, pull, arrays.phi, phi.get());
  }
  clear_pairs(shape, arrays.s);
  clear_pairs(shape, arrays.t);
  WeightSums<Simd> sums(hidden);
  const auto edge_terms = terms.of(layer);
  const auto weights = sums.arrays();
  const JetGradients<Simd> in{message.get(), phi.get(),
                              reinterpret_cast<const Integer<Simd>*>(arrays.signs)};
  const JetEdgeSums<Simd> out{receivers.get(), senders.get(), arrays.s, arrays.t};
  EdgeBackward<Simd>(shape, layer, edge_terms, in, out, weights).run();
  sums.add_to(p, layer.moves, gradients);
  blocks_to_rows(shape, receivers.get(), hidden, arrays.receivers, hidden);
  for (int i = 0; i < jet.n; ++i) {
    for (int c = 0; c < hidden; ++c) arrays.senders[i * hidden + c] = senders[i * rows + c];
  }
  add_norm_sums(p, jet, PairSums<Simd>(shape, terms.s.get(), terms.t.get()), arrays.receivers,
                arrays.senders, gradients);
}

template <typename Simd>
void EngineOf<Simd>::backward_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                                    const JetInput<T>& jet, const JetBackward<T>& arrays,
                                    const InputGradients<T>& out) const {
  const JetShape<Simd> shape(jet.n);
  const Coordinates<Simd> x(shape, jet.x);
  const long size = pairs(jet.n);
  Buffer<Simd, T> s(size, Unset{}), t(size, Unset{});
  Buffer<Simd, T> s_both(size, Unset{}), t_both(size, Unset{});
  products_of_pairs(shape, x, s.get(), t.get());
  gradients_of_nodes(p, norm, jet, PairSums<Simd>(shape, s.get(), t.get()), arrays.receivers,
                     arrays.senders, out.a_b);
  const auto add_to = [](const T* pairs) {
    return [=](long place, Vector<Simd> reverse) {
      return load<Vector<Simd>>(pairs + place) + reverse;
    };
  };
  transpose(shape, arrays.s, s_both.get(), add_to(arrays.s));
  transpose(shape, arrays.t, t_both.get(), add_to(arrays.t));
  const bool moves = arrays.translation_gradient != nullptr;
  Buffer<Simd, T> reverse(moves ? size : 0, Unset{});
  Buffer<Simd, double> none(moves ? 0 : 4L * jet.n);
  if (moves) {
    transpose(shape, arrays.phi, reverse.get(), [](long, Vector<Simd> lanes) { return lanes; });
  }
  const Coordinates<Simd> pull(shape, moves ? arrays.translation_gradient : none.get());
  const NormPairTerm<Simd> of_s(p, norm, jet, p.u), of_t(p, norm, jet, p.v);
  const PairArrays<T> in{
      s.get(), t.get(), s_both.get(), t_both.get(), moves ? arrays.phi : nullptr, reverse.get()};
  CoordinateGradients<Simd>(shape, x, pull, in, of_s, of_t).run(out.x);
}

}  // namespace lorentznet::fused
