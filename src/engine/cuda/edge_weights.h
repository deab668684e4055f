#pragma once

#include <cmath>
#include <vector>

#include "engine/cuda/layout.h"
#include "engine/engine.h"
#include "engine/pack.h"

namespace lorentznet::cuda {

/// Floats between rows in shared memory: an odd multiple of 16, so that reads of 16 bytes of two
/// neighbouring rows use different banks.
constexpr int padded_row(int floats) { return (floats + 15) / 32 * 32 + 16; }

/// Weights of the edge part as the kernels read them.
template <typename Op>
struct EdgeWeights {
  std::vector<typename Op::Pair> fragments;  ///< registers of 32 lanes, in the order of use
  std::vector<float> biases;  ///< [2, H] of phi_e.3, and of phi_x.0 (zero in the last layer)
  float gate_bias;
};

/// Writes registers of 32 lanes one group after the other.
template <typename Op, int H>
class EdgeFragments {
 public:
  using C = Channels<H>;
  using Pair = typename Op::Pair;

  /// `count` registers a lane, of(register, lane).
  template <typename Of>
  void append(int count, const Of& of) {
    const auto first = static_cast<long>(fragments_.size());
    fragments_.resize(fragments_.size() + static_cast<unsigned long>(count) * kWarpLanes);
    for (int r = 0; r < count; ++r) {
      for (int lane = 0; lane < kWarpLanes; ++lane) {
        fragments_[first + slot(count, r, lane, 16 / sizeof(Pair))] = of(r, lane);
      }
    }
  }
  /// A product of H inputs for `tiles` column tiles of outputs from `first` on: the inputs of the
  /// odd column tile, if there is one, then two column tiles of inputs a step; in each step outputs
  /// two column tiles at a time. weight(output, input)
  template <typename Weight>
  void append_product(const Weight& weight, int first, int tiles) {
    if constexpr (C::kOdd) append_step(weight, C::kTiles - 1, 1, first, tiles);
    for (int pair = 0; pair < C::kPairs; ++pair) append_step(weight, 2 * pair, 2, first, tiles);
  }
  /// A vector as an operand: in even columns its numbers as the format has them, in odd ones what
  /// is left of them, so that a product has the format's bits twice. value(channel)
  template <typename Value>
  void append_vector(const Value& value, int first, int tiles) {
    append(tiles, [&](int r, int lane) {
      const bool rest = lane / 4 % 2 != 0;
      const int t = lane % 4;
      return Op::pack(part(value(C::at(first + r, t, 0)), rest),
                      part(value(C::at(first + r, t, 1)), rest));
    });
  }
  /// What the format has of a number, or the rest.
  static float part(float value, bool rest) {
    const Pair both = Op::split(value);
    return rest ? Op::high(both) : Op::low(both);
  }
  std::vector<Pair> take() { return std::move(fragments_); }

 private:
  /// Inputs of `count` column tiles from k on.
  template <typename Weight>
  void append_step(const Weight& weight, int k, int count, int first, int tiles) {
    for (int n = 0; n < tiles; n += 2) {
      const int outputs = n + 1 < tiles ? 2 : 1;
      append(outputs * count, [&](int r, int lane) {
        const int output = C::of_column(first + n + r / count, lane / 4), t = lane % 4;
        const int tile = k + r % count;
        return Op::pack(weight(output, C::at(tile, t, 0)), weight(output, C::at(tile, t, 1)));
      });
    }
  }

  std::vector<Pair> fragments_;
};

/// u and v, in units of ln 2 like psi: t = 0 and 1 of a quad multiply s and t with their numbers, 2
/// and 3 with what is left of them.
template <typename Op, int H>
void append_pair_terms(EdgeFragments<Op, H>& writer, const fused::PackedLayer<float>& layer) {
  for (int n = 0; n < Channels<H>::kTiles; ++n) {
    writer.append(1, [&](int, int lane) {
      const int t = lane % 4;
      // With sanitizers GCC 12 takes a wrong element of (t % 2 == 0 ? layer.u : layer.v)[...].
      const float* const weights = t % 2 == 0 ? layer.u : layer.v;
      const double value = weights[Channels<H>::of_column(n, lane / 4)];
      const auto scaled = static_cast<float>(value * std::log(2.0));
      const float part = EdgeFragments<Op, H>::part(scaled, t >= 2);
      return Op::pack(part, part);  // of the two parts of s or t
    });
  }
}

/// phi_x.0, and after each two column tiles of outputs their part of phi_x.2.
template <typename Op, int H>
void append_movements(EdgeFragments<Op, H>& writer, const fused::PackedLayer<float>& layer) {
  using C = Channels<H>;
  const long step = fused::row_elements(H);
  const auto weight = [&](int output, int input) { return layer.move_in[input * step + output]; };
  const auto move_out = [&](int channel) { return layer.move_out[channel]; };
  const auto outputs = [&](int first, int tiles) {
    writer.append_product(weight, first, tiles);
    writer.append_vector(move_out, first, tiles);
  };
  if constexpr (C::kOdd) outputs(C::kTiles - 1, 1);
  for (int pair = 0; pair < C::kPairs; ++pair) outputs(2 * pair, 2);
}

/// \param layer  of hidden width H, as the CPU's engine reads it
template <typename Op, int H>
EdgeWeights<Op> pack_edges(const fused::PackedLayer<float>& layer) {
  const long step = fused::row_elements(H);
  EdgeFragments<Op, H> writer;
  append_pair_terms(writer, layer);
  writer.append_product(
      [&](int output, int input) { return layer.edge_out[input * step + output]; }, 0,
      Channels<H>::kTiles);
  writer.append_vector([&](int channel) { return layer.gate[channel]; }, 0, Channels<H>::kTiles);
  if (layer.moves) append_movements(writer, layer);
  EdgeWeights<Op> weights{.fragments = writer.take(), .biases = {}, .gate_bias = layer.gate_bias};
  weights.biases.assign(layer.edge_out_bias, layer.edge_out_bias + H);
  weights.biases.resize(2 * H);
  if (layer.moves) {
    for (int c = 0; c < H; ++c) weights.biases[H + c] = layer.move_in_bias[c];
  }
  return weights;
}

}  // namespace lorentznet::cuda
