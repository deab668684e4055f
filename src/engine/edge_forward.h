#pragma once

#include "engine/edge_chunk.h"
#include "engine/engine.h"
#include "engine/pairs.h"

namespace lorentznet::fused {

// The edge part of a layer, forward. The edges of a jet are sorted by receiver, then by sender, and
// are done kChunk at a time: relu(z), e, gates, messages, phi.

/// What the nodes and pairs of a jet give to an edge: z_ij = a_i + b_j + u s_ij + v t_ij.
template <typename T>
struct EdgeTerms {
  const T *a, *b;  ///< [n] rows
  const T *s, *t;  ///< pairs
};

/// relu(z) of a chunk's edges, some at a time, which share the loads of u and v. (There may be more
/// than the chunk has; they repeat its last edge.)
template <typename S>
void edge_inputs(const PackedLayer<typename S::Scalar>& layer, long pairs,
                 const EdgeTerms<typename S::Scalar>& terms, EdgeChunk<S>& chunk) {
  using T = typename S::Scalar;
  using V = Vector<S>;
  constexpr int R = S::kLanes == 16 ? 4 : 2;
  const auto out = chunk.of(chunk.x, chunk.x_mask);
  for (int k = 0; k < chunk.count; k += R) {
    const T *a[R], *b[R];
    T* x[R];
    unsigned char* bytes[R];
    V s[R], t[R];
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const long i = chunk.receiver[k + r], j = chunk.sender[k + r];
      a[r] = terms.a + i * out.step;
      b[r] = terms.b + j * out.step;
      s[r] = broadcast<V>(terms.s[i * pairs + j]);
      t[r] = broadcast<V>(terms.t[i * pairs + j]);
      x[r] = out.rows + (k + r) * out.step;
      bytes[r] = bytes_of(out.masks + (k + r) * out.words, 0);
    });
    for (long at = 0; at < out.step; at += S::kLanes) {
      const V u = load<V>(layer.u + at), v = load<V>(layer.v + at);
      unroll<R>([&](auto r) __attribute__((always_inline)) {
        const V nodes = load<V>(a[r] + at) + load<V>(b[r] + at);
        const V z = S::fma(t[r], v, S::fma(s[r], u, nodes));
        store(x[r] + at, S::relu(z));
        put_bits<V>(bytes[r], static_cast<int>(at), S::nonzero(z));
      });
    }
    unroll<R>([&](auto r) __attribute__((always_inline)) {
      const T size = s[r][0] + t[r][0];
      if (size - size == 0) return;  // else the padding, zero times s and t, is not zero
      out.masks[(k + r) * out.words + out.words - 1] &= chunk.all[out.words - 1];
    });
  }
}

/// e_ij = relu(phi_e.3(relu(z_ij))) and the gate sigmoid(phi_m(e_ij)).
template <typename S>
void edge_embeddings(const PackedLayer<typename S::Scalar>& layer, EdgeChunk<S>& chunk) {
  using T = typename S::Scalar;
  using V = Vector<S>;
  typename S::Sixteen logits[kChunk];
  const auto out = chunk.of(chunk.e, chunk.e_mask);
  const Valid<S> valid(chunk, layer.hidden);
  product<S>(
      {chunk.x.get(), chunk.step, 1, chunk.x_mask.get(), chunk.words}, chunk.count, layer.edge_out,
      layer.hidden,
      [bias = layer.edge_out_bias](int, int first, auto& sums)
          __attribute__((always_inline)) { sums.load_from(bias + first); },
      [ =, weights = layer.gate, logit = &logits[0] ](int k, int first, auto& sums)
          __attribute__((always_inline)) {
            auto* const mask = bytes_of(out.masks + k * out.words, first);
            auto sum = first == 0 ? typename S::Sixteen{} : logit[k];
            sums.each([&](auto& part, int at) __attribute__((always_inline)) {
              using Part = std::remove_reference_t<decltype(part)>;
              const Part e = valid.only(S::relu(part), first, at);
              store(out.rows + k * out.step + first + at, e);
              put_bits<Part>(mask, at, S::nonzero(e));
              sum.add(e, load<Part>(weights + first + at), at);
            });
            logit[k] = sum;
          });
  alignas(V) T gate[kChunk];
  for (int k = 0; k < kChunk; ++k) gate[k] = k < chunk.count ? logits[k].total() : 0;
  const V bias = broadcast<V>(layer.gate_bias);
  for (int k = 0; k < kChunk; k += S::kLanes) {
    store(gate + k, sigmoid<S>(load<V>(gate + k) + bias));
  }
  __builtin_memcpy(chunk.gate, gate, sizeof(gate));
}

/// Adds m_ij = gate e_ij to the receivers' rows.
template <typename S>
void add_messages(const EdgeChunk<S>& chunk, typename S::Scalar* message) {
  using V = Vector<S>;
  for (int first = 0, end; first < chunk.count; first = end) {
    for (end = first + 1; end < chunk.count && chunk.receiver[end] == chunk.receiver[first];) ++end;
    for (int at = 0; at < chunk.step; at += S::kLanes) {
      auto* const to = message + chunk.receiver[first] * chunk.step + at;
      V sum = load<V>(to);
      for (int k = first; k < end; ++k) {
        sum =
            S::fma(broadcast<V>(chunk.gate[k]), load<V>(chunk.e.get() + k * chunk.step + at), sum);
      }
      store(to, sum);
    }
  }
}

/// phi_x(m_ij), with m_ij = gate e_ij never formed: phi_x.0 is gate (W e) + bias.
template <typename S>
void edge_movements(const PackedLayer<typename S::Scalar>& layer, EdgeChunk<S>& chunk) {
  using V = Vector<S>;
  typename S::Sixteen sums_of_phi[kChunk];
  const auto out = chunk.of(chunk.e, chunk.y_mask);
  const Valid<S> valid(chunk, layer.hidden);
  product<S>(
      {out.rows, out.step, 1, chunk.e_mask.get(), chunk.words}, chunk.count, layer.move_in,
      layer.hidden, [](int, int, auto&) {}, [
        =, bias = layer.move_in_bias, weights = layer.move_out, gates = &chunk.gate[0],
        phi = &sums_of_phi[0]
      ](int k, int first, auto& sums) __attribute__((always_inline)) {
        const V gate = broadcast<V>(gates[k]);
        auto* const mask = bytes_of(out.masks + k * out.words, first);
        auto sum = first == 0 ? typename S::Sixteen{} : phi[k];
        sums.each([&](auto& part, int at) __attribute__((always_inline)) {
          using Part = std::remove_reference_t<decltype(part)>;
          const Part z = S::fma(as<Part>(gate), part, load<Part>(bias + first + at));
          const Part y = valid.only(S::relu(z), first, at);
          put_bits<Part>(mask, at, S::nonzero(y));
          sum.add(y, load<Part>(weights + first + at), at);
        });
        phi[k] = sum;
      });
  for (int k = 0; k < chunk.count; ++k) chunk.phi[k] = sums_of_phi[k].total();
}

/// All of it for a chunk. \param message [n] rows of H, added to \param phi  pairs
template <typename S, typename T>
void edge_pass(const PackedLayer<T>& layer, long pairs, const EdgeTerms<T>& terms,
               EdgeChunk<S>& chunk, T* message, T* phi) {
  edge_inputs(layer, pairs, terms, chunk);
  edge_embeddings(layer, chunk);
  add_messages(chunk, message);
  if (!layer.moves) return;
  edge_movements(layer, chunk);
  for (int k = 0; k < chunk.count; ++k) {
    phi[chunk.receiver[k] * pairs + chunk.sender[k]] = chunk.phi[k];
  }
}

}  // namespace lorentznet::fused
