#pragma once

#include "engine/edge_backward.h"
#include "engine/infer_jet.h"
#include "engine/linear_rows.h"
#include "engine/node_norm.h"
#include "engine/pair_gradients.h"

namespace lorentznet::fused {

/// The engine of one instruction set.
template <typename S>
class EngineOf final : public Engine<typename S::Scalar> {
 public:
  using T = typename S::Scalar;

  void infer(const PackedNetwork<T>& network, const JetNodes<T>& jet, const Team& team,
             T* logits) const override {
    JetInference<S>(network, jet, team).run(logits);
  }
  void linear(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
              T* out) const override {
    linear_forward<S>(layer, n, in, out);
  }
  void linear_backward(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
                       const T* out_gradient, const RowPieces<T>& in_gradient,
                       T* weight) const override {
    LinearBackward<S>(layer).run(n, in, out_gradient, in_gradient, weight);
  }
  void normalise(const Normalisation<T>& norm, int n, int width, const T* z,
                 T* out) const override {
    fused::normalise<S>(norm, n, width, z, out);
  }
  void relu_backward(const NormValues& norm, int n, int width, const T* z, const T* y, T* gradient,
                     double* sums) const override {
    fused::relu_backward<S>(norm, n, width, z, y, gradient, sums);
  }
  void norm_backward(const NormValues& norm, const T* scale, const double* means, int n, int width,
                     const T* z, T* gradient, double* bias) const override {
    fused::norm_backward<S>(norm, scale, means, n, width, z, gradient, bias);
  }
  void add_rows(int n, int width, const T* rows, double* sums) const override {
    fused::add_rows<S>(n, width, rows, sums);
  }

  void statistics(const LayerParameters<T>& p, const JetInput<T>& jet,
                  const JetStatistics& sums) const override;
  long forward(const PackedLayer<T>& layer, const Normalisation<T>& norm, const JetInput<T>& jet,
               const JetForward<T>& out) const override;
  void backward_edges(const LayerParameters<T>& p, const PackedLayer<T>& layer,
                      const Normalisation<T>& norm, const JetInput<T>& jet,
                      const JetBackward<T>& arrays,
                      const LayerGradients<T>& gradients) const override;
  void backward_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                      const JetInput<T>& jet, const JetBackward<T>& arrays,
                      const InputGradients<T>& out) const override;
};

/// s and t of a jet's pairs.
template <typename S>
struct PairTerms {
  explicit PairTerms(const JetInput<typename S::Scalar>& jet)
      : x(jet.n, jet.x),
        s(jet.n * pair_step(jet.n), Unset{}),
        t(jet.n * pair_step(jet.n), Unset{}) {
    products_of_pairs({0, jet.n}, jet.n, x, s.get(), t.get());
  }

  Coordinates<S> x;
  Buffer<S, typename S::Scalar> s, t;
};

/// What both passes over a jet's edges read: a and b after the batch norm, s and t.
template <typename S>
struct JetTerms : PairTerms<S> {
  using T = typename S::Scalar;

  JetTerms(int hidden, const Normalisation<T>& norm, const JetInput<T>& jet)
      : PairTerms<S>(jet),
        a(jet.n * static_cast<long>(padded(hidden))),
        b(jet.n * static_cast<long>(padded(hidden))) {
    const T* from = jet.a_b;
    for (int i = 0; i < jet.n; ++i, from += 2L * hidden) {
      T* const ai = a.get() + i * static_cast<long>(padded(hidden));
      T* const bi = b.get() + i * static_cast<long>(padded(hidden));
      for (int c = 0; c < hidden; ++c) {
        ai[c] = from[c] * norm.scale[c] + norm.shift[c];
        bi[c] = from[hidden + c] * norm.scale[c];
      }
    }
  }
  EdgeTerms<T> get() const { return {a.get(), b.get(), this->s.get(), this->t.get()}; }

  Buffer<S, T> a, b;
};

template <typename S>
void EngineOf<S>::statistics(const LayerParameters<T>& p, const JetInput<T>& jet,
                             const JetStatistics& sums) const {
  const PairTerms<S> pairs(jet);
  add_statistics(p, jet, PairSums<S>(jet.n, pairs.s.get(), pairs.t.get()), sums);
}

template <typename S>
long EngineOf<S>::forward(const PackedLayer<T>& layer, const Normalisation<T>& norm,
                          const JetInput<T>& jet, const JetForward<T>& out) const {
  const JetTerms<S> terms(layer.hidden, norm, jet);
  const long pairs = pair_step(jet.n);
  Buffer<S, T> message(jet.n * static_cast<long>(padded(layer.hidden)));
  if (layer.moves) {
    __builtin_memset(out.phi, 0, static_cast<unsigned long>(jet.n * pairs) * sizeof(T));
  }
  T* values = out.kept.values;
  EdgeChunk<S> chunk({0, jet.n}, jet.n, layer.hidden);
  for (long done = 0; chunk.next(); done += chunk.count) {
    edge_pass(layer, pairs, terms.get(), chunk, message.get(), out.phi);
    if (values != nullptr) values = keep_edges(chunk, done, out.kept, values);
  }
  copy_back<S>(message.get(), jet.n, layer.hidden, out.message);
  if (layer.moves) translations({0, jet.n}, jet.n, terms.x, out.phi, out.translation);
  return values - out.kept.values;
}

template <typename S>
void EngineOf<S>::backward_edges(const LayerParameters<T>& p, const PackedLayer<T>& layer,
                                 const Normalisation<T>& norm, const JetInput<T>& jet,
                                 const JetBackward<T>& arrays,
                                 const LayerGradients<T>& gradients) const {
  const int n = jet.n, hidden = layer.hidden;
  const JetTerms<S> terms(hidden, norm, jet);
  const long rows = n * static_cast<long>(padded(hidden)), pairs = n * pair_step(n);
  Buffer<S, T> message(rows), receivers(rows), senders(rows);
  Buffer<S, T> s_q(padded(hidden)), t_q(padded(hidden));
  Buffer<S, T> phi(layer.moves ? pairs : 0, Unset{});
  copy_rows<S>(arrays.message_gradient, n, hidden, message.get());
  if (layer.moves) {
    gradients_of_phi<S>(n, terms.x, arrays.translation_gradient, arrays.phi, phi.get());
  }
  const auto bytes = static_cast<unsigned long>(pairs) * sizeof(T);
  __builtin_memset(arrays.s, 0, bytes);
  __builtin_memset(arrays.t, 0, bytes);
  const EdgeTerms<T> of_edges = terms.get();
  const EdgePull<T> pull{message.get(), phi.get(), arrays.kept};
  const EdgeSums<T> sums{receivers.get(), senders.get(), arrays.s, arrays.t, s_q.get(), t_q.get()};
  EdgeBackward<S>(layer, n, of_edges, pull, sums, gradients).run();
  for (int c = 0; c < hidden; ++c) {
    gradients.s_q[c] += s_q[c];
    gradients.t_q[c] += t_q[c];
  }
  copy_back<S>(receivers.get(), n, hidden, arrays.receivers);
  copy_back<S>(senders.get(), n, hidden, arrays.senders);
  add_norm_sums(p, jet, PairSums<S>(n, terms.s.get(), terms.t.get()), arrays.receivers,
                arrays.senders, gradients);
}

template <typename S>
void EngineOf<S>::backward_nodes(const LayerParameters<T>& p, const NormGradient<T>& norm,
                                 const JetInput<T>& jet, const JetBackward<T>& arrays,
                                 const InputGradients<T>& out) const {
  const PairTerms<S> pairs(jet);
  gradients_of_nodes(p, norm, jet, PairSums<S>(jet.n, pairs.s.get(), pairs.t.get()),
                     arrays.receivers, arrays.senders, out.a_b);
  const NormPairTerm<S> of_s(p, norm, jet, p.u), of_t(p, norm, jet, p.v);
  const PairArrays<T> in{pairs.s.get(), pairs.t.get(), arrays.s, arrays.t,
                         arrays.translation_gradient != nullptr ? arrays.phi : nullptr};
  CoordinateGradients<S>(jet.n, pairs.x, arrays.translation_gradient, in, of_s, of_t).run(out.x);
}

}  // namespace lorentznet::fused
