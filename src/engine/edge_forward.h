#pragma once

#include "engine/edge_sums.h"
#include "engine/packed_layer.h"
#include "engine/vector_math.h"

namespace lorentznet::fused {

template <typename Simd>
using Layer = PackedLayer<typename Simd::Scalar>;

/// Channels in whole vectors: rows that a tile's arrays have.
template <typename Simd>
constexpr int whole_vectors(int hidden) {
  return (hidden + Simd::kLanes - 1) / Simd::kLanes * Simd::kLanes;
}

/// Words of sign bits of an edge: one bit for each channel.
inline constexpr int kBitsPerWord = 32;
constexpr int sign_words(int hidden) { return (hidden + kBitsPerWord - 1) / kBitsPerWord; }

template <typename Simd>
[[gnu::always_inline]] inline Integers<Simd> bit_of(int channel) {
  return Integers<Simd>{} + static_cast<std::int32_t>(1U << (channel % kBitsPerWord));
}

/// e_ij = relu(phi_e.3(inputs)) and the gate sigmoid(phi_m(e_ij)) of a tile; unused lanes have the
/// gate 0, so that they count nowhere.
template <typename Simd, int R>
void edge_embeddings(const EdgeTile<Simd>& tile, const Layer<Simd>& layer,
                     const Inputs<typename Simd::Dot>& inputs, typename Simd::Scalar* e,
                     Vector<Simd>* gate) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  V logit[R];
  for (auto& value : logit) value = broadcast<V>(layer.gate_bias);
  product<typename Simd::Dot, R>(
      inputs, layer.edge_out, layer.hidden,
      logit, [&](int k, const V* sums, V* logits) __attribute__((always_inline)) {
        const V bias = broadcast<V>(layer.edge_out_bias[k]);
        const V weight = broadcast<V>(layer.gate[k]);
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const V value = Simd::relu(sums[r] + bias);
          store(e + k * kTileRow<Simd> + r * N, value);
          logits[r] += weight * value;
        });
      });
  for (int r = 0; r < R; ++r) {
    gate[r] = sigmoid<Simd>(logit[r]);
    if (tile.flat) gate[r] = lane_numbers<Simd>() + r * N < tile.used ? gate[r] : V{};
  }
}

/// phi_x(m_ij) of a tile, with m_ij = gate e_ij never formed: phi_x.0 is gate (W e) + bias.
/// \param signs [R][sign_words] of vectors: a bit for each positive output of phi_x.0; only where
///              kKeepSigns
template <typename Simd, int R, bool kKeepSigns>
void edge_movements(const Layer<Simd>& layer, const Inputs<typename Simd::Dot>& e,
                    const Vector<Simd>* gate, Vector<Simd>* phi, Integers<Simd>* signs) {
  using V = Vector<Simd>;
  const int words = sign_words(layer.hidden);
  for (int r = 0; r < R; ++r) phi[r] = V{};
  for (int w = 0; kKeepSigns && w < R * words; ++w) signs[w] = Integers<Simd>{};
  product<typename Simd::Dot, R>(
      e, layer.move_in, layer.hidden,
      phi, [&](int k, const V* sums, V* phis) __attribute__((always_inline)) {
        const V bias = broadcast<V>(layer.move_in_bias[k]);
        const V weight = broadcast<V>(layer.move_out[k]);
        unroll<R>([&](auto r) __attribute__((always_inline)) {
          const V y = gate[r] * sums[r] + bias;
          phis[r] += weight * Simd::relu(y);
          if constexpr (kKeepSigns) {
            signs[r * words + k / kBitsPerWord] |= (y > 0) & bit_of<Simd>(k);
          }
        });
      });
}

/// What the edges of a jet give to its nodes.
template <typename Simd>
struct JetSums {
  typename Simd::Scalar* message;  ///< [block][H][kLanes], added to
  typename Simd::Scalar* phi;      ///< [sender][receiver]; null in the last layer
  Integer<Simd>* signs;            ///< [edge vector][sign_words][kLanes]; null: not kept
};

/// The forward pass over the edges of a jet.
template <typename Simd>
void edge_pass(const JetShape<Simd>& shape, const Layer<Simd>& layer, const EdgeTerms<Simd>& terms,
               const JetSums<Simd>& out) {
  using V = Vector<Simd>;
  constexpr int N = Simd::kLanes;
  const int words = sign_words(layer.hidden);
  const long size = static_cast<long>(whole_vectors<Simd>(layer.hidden)) * kTileRow<Simd>;
  Buffer<Simd, typename Simd::Scalar> inputs(size), e(size);
  Buffer<Simd, typename Simd::Scalar> joined(Simd::Dot::kChannels == 1 ? 0 : size / 2, Unset{});
  constexpr int kChannels = Simd::Dot::kChannels;
  const Inputs<typename Simd::Dot> of_inputs{inputs.get(), kTileRow<Simd>, N,
                                             (layer.hidden + kChannels - 1) / kChannels};
  Buffer<Simd, Integers<Simd>> signs(kEdgeVectors * words, Unset{});
  const auto run = [&]<int R>(const EdgeTile<Simd>& tile, std::integral_constant<int, R>) {
    V gate[R], phi[R];
    edge_inputs<Simd, typename Simd::Dot, R>(tile, shape, layer.hidden, terms, inputs.get());
    edge_embeddings<Simd, R>(tile, layer, of_inputs, e.get(), gate);
    add_to_receivers(tile, shape, layer.hidden, e.get(), gate, out.message);
    if (!layer.moves) return;
    const auto of_e = dot_inputs<Simd, typename Simd::Dot, R>(
        {e.get(), kTileRow<Simd>, N, layer.hidden}, joined.get());
    if (out.signs == nullptr) {
      edge_movements<Simd, R, false>(layer, of_e, gate, phi, nullptr);
    } else {
      edge_movements<Simd, R, true>(layer, of_e, gate, phi, signs.get());
    }
    for (int q = 0; q < R; ++q) to_pairs(tile, q, shape, phi[q], out.phi);
    if (out.signs == nullptr) return;
    auto* kept = out.signs + static_cast<long>(tile.first_vector) * words * N;
    for (int w = 0; w < R * words; ++w) store(kept + w * N, signs[w]);
  };
  for_each_tile(shape, [&](const EdgeTile<Simd>& tile) {
    if (tile.vectors == 3) return run(tile, std::integral_constant<int, 3>{});
    if (tile.vectors == 2) return run(tile, std::integral_constant<int, 2>{});
    run(tile, std::integral_constant<int, 1>{});
  });
}

}  // namespace lorentznet::fused
