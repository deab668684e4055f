#pragma once

#include <algorithm>
#include <vector>

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/block_sums.h"
#include "engine/cuda/decoder_training.h"
#include "engine/cuda/edge_reduction.h"
#include "engine/cuda/packed_weights.h"
#include "engine/cuda/weight_gradient.h"

namespace lorentznet::cuda {

/// A batch, and what all layers need of it. N nodes, P rows, J jets.
struct BatchPlaces {
  BatchPlaces(const TrainingBatch& batch, int layers, int hidden, Surroundings& surroundings)
      : nodes(batch.host_offsets.back()),
        ghost(batch.ghost_weight > 0),
        rows(nodes + ghost),
        jets(static_cast<int>(batch.host_offsets.size()) - 1),
        most_blocks(
            std::max({jets, static_cast<int>(node_blocks(rows)), column_blocks(nodes, hidden)})),
        ghost_weight(batch.ghost_weight) {
    for (int k = 0; k < jets; ++k) {
      most_nodes = std::max(most_nodes, batch.host_offsets[k + 1] - batch.host_offsets[k]);
    }
    auto numbers = batch.host_offsets;
    const auto first = first_pairs(batch.host_offsets);
    pairs = first.back();
    numbers.insert(numbers.end(), first.begin(), first.end());
    const std::size_t places = numbers.size();
    numbers.resize(places + block_tickets(most_blocks) + 1);
    auto* const sent =
        static_cast<int*>(surroundings.send(numbers.data(), numbers.size() * sizeof(int)));
    offsets = sent;
    first_pair = offsets + batch.host_offsets.size();
    tickets = reinterpret_cast<unsigned*>(sent + places);
    node_sums = allocate<double>(surroundings, std::size_t(layers) * (2 * hidden + 1));
  }

  int nodes;
  bool ghost;
  int rows, jets;
  int most_blocks;  ///< of a launch, with BlockSums
  double ghost_weight;
  int most_nodes = 0;  ///< of a jet
  std::size_t pairs;   ///< places of KeptPairs
  const int *offsets, *first_pair;
  unsigned* tickets;  ///< [block_tickets(most_blocks) + 1] for one launch after the other
  double* node_sums;  ///< [L, 2H + 1] sums of z and z^2 of phi_h, and the number of rows
};

/// A batch norm's statistics in a pass.
struct NormPlaces {
  NormPlaces(int channels, Surroundings& surroundings)
      : numbers(allocate<double>(surroundings, 2 * static_cast<std::size_t>(channels))),
        floats(allocate<float>(surroundings, 2 * static_cast<std::size_t>(channels))),
        hidden(channels) {}

  NormState state() const { return {numbers, numbers + hidden, floats, floats + hidden}; }
  NormValues values() const { return {numbers, numbers + hidden, floats, floats + hidden}; }

  double* numbers;
  float* floats;
  int hidden;
};

/// What the forward pass keeps of a layer.
template <int H>
struct KeptLayer {
  KeptLayer(const BatchPlaces& batch, bool moves, Surroundings& s)
      : h(allocate<float>(s, std::size_t(batch.rows) * H)),
        a(allocate<float>(s, std::size_t(batch.rows) * H)),
        b(allocate<float>(s, std::size_t(batch.rows) * H)),
        message(allocate<float>(s, std::size_t(batch.nodes) * H)),
        z(allocate<float>(s, std::size_t(batch.rows) * H)),
        x(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        pairs(allocate<double>(s, std::size_t(batch.nodes) * kPairSums)),
        statistics(allocate<double>(s, EdgeSumsLayout<H>::kColumns)),
        edge_norm(H, s),
        node_norm(H, s),
        kept{batch.first_pair, moves ? allocate<float>(s, batch.pairs) : nullptr,
             moves ? allocate<unsigned>(s, 4 * batch.pairs) : nullptr} {}

  float *h, *a, *b, *message, *z;
  double *x, *pairs, *statistics;
  NormPlaces edge_norm, node_norm;
  KeptPairs kept;
};

/// What blocks have summed up, used by one launch after the other.
template <typename Op, int H>
struct ForwardScratch {
  ForwardScratch(const BatchPlaces& batch, Surroundings& surroundings)
      : partial(allocate<double>(surroundings, std::max(of_edges(batch), of_nodes(batch)))),
        translation(allocate<double>(surroundings, std::size_t(batch.nodes) * 4)) {}

  static std::size_t of_edges(const BatchPlaces& batch) {
    return block_rows(batch.jets) * EdgeSumsLayout<H>::kColumns;
  }
  static std::size_t of_nodes(const BatchPlaces& batch) {
    return block_rows(static_cast<int>(node_blocks(batch.rows))) * 2 * H;
  }

  double *partial, *translation;
};

/// What the layers of a backward pass hand down, and what each of them needs meanwhile.
template <typename Op, int H>
struct BackwardScratch {
  BackwardScratch(const BatchPlaces& batch, const NetworkShape& shape, Surroundings& s)
      : message(allocate<float>(s, std::size_t(batch.nodes) * H)),
        receivers(allocate<float>(s, std::size_t(batch.nodes) * H)),
        senders(allocate<float>(s, std::size_t(batch.nodes) * H)),
        columns(allocate<float>(
            s, std::size_t(column_rows(static_cast<long>(batch.pairs), batch.nodes)) * H)),
        p_s(allocate<float>(s, batch.pairs)),
        p_t(allocate<float>(s, batch.pairs)),
        // The blocks of EdgeBackward do not depend on whether coordinates move.
        edge_parts(allocate<float>(s, std::size_t(EdgeBackward<Op, H, true>::blocks(batch.nodes)) *
                                          EdgeSumPlaces<H>::kEnd)),
        weight_parts(
            allocate<float>(s, std::size_t(cuda::weight_parts(batch.rows)) * H *
                                   (shape.layers * (5 * H + shape.scalars) + H + shape.scalars))),
        decoder(allocate<float>(s, std::size_t(batch.jets) * H)),
        decoder_parts(allocate<float>(
            s, std::size_t(batch.jets) * DecodeBackward<H>::columns(shape.classes))),
        partial(allocate<double>(s, block_rows(batch.most_blocks) * 3 * H)),
        x(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        direct(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        translation(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        norm_sums(allocate<double>(s, 3 * H)),
        edge_sums(allocate<double>(s, 4 * H)),
        total(allocate<double>(s, 4 * H)),
        terms(allocate<double>(s, EdgeNormTerms<H>::kSize)) {
    for (int k = 0; k <= shape.layers; ++k) {
      h.push_back(allocate<float>(s, std::size_t(batch.rows) * H));
      if (k == shape.layers) break;
      r.push_back(allocate<float>(s, std::size_t(batch.rows) * H));
      bias.push_back(allocate<double>(s, std::size_t(node_blocks(batch.rows)) * H));
    }
  }

  // Of each layer, until its weights' gradients are computed.
  std::vector<float*> h;      ///< [L + 1] dL/dh, that of the last layer's h' behind them
  std::vector<float*> r;      ///< [L] of NodeBackwardOut, then dL/dz
  std::vector<double*> bias;  ///< [L] parts of phi_h.0's bias' gradient
  // Of one layer after the other.
  float *message, *receivers, *senders, *columns, *p_s, *p_t, *edge_parts, *weight_parts, *decoder,
      *decoder_parts;
  double *partial, *x, *direct, *translation, *norm_sums, *edge_sums, *total, *terms;
};

}  // namespace lorentznet::cuda
