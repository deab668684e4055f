#pragma once

#include <algorithm>
#include <vector>

#include "engine/cuda/batch_norm.h"
#include "engine/cuda/edge_backward.h"
#include "engine/cuda/edge_norm_backward.h"
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
        ghost_weight(batch.ghost_weight) {
    for (int k = 0; k < jets; ++k) {
      most_nodes = std::max(most_nodes, batch.host_offsets[k + 1] - batch.host_offsets[k]);
    }
    auto numbers = batch.host_offsets;
    const auto first = first_pairs(batch.host_offsets);
    pairs = first.back();
    numbers.insert(numbers.end(), first.begin(), first.end());
    offsets = static_cast<const int*>(
        surroundings.send(numbers.data(), numbers.size() * sizeof(numbers.front())));
    first_pair = offsets + batch.host_offsets.size();

    std::vector<double> sums(static_cast<std::size_t>(layers) * (2 * hidden + 1));
    for (int k = 1; k <= layers; ++k) sums[k * (2 * hidden + 1) - 1] = nodes + ghost_weight;
    node_sums =
        static_cast<double*>(surroundings.send(sums.data(), sums.size() * sizeof(sums.front())));
  }

  int nodes;
  bool ghost;
  int rows, jets;
  double ghost_weight;
  int most_nodes = 0;  ///< of a jet
  std::size_t pairs;   ///< places of KeptPairs
  const int *offsets, *first_pair;
  double* node_sums;  ///< [L, 2H + 1] sums of z and z^2 of phi_h, to be written; number of rows
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

/// What the forward pass keeps of a layer. After the last one: h alone.
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

/// Blocks' parts of sums, used by one launch after the other.
template <typename Op, int H>
struct ForwardScratch {
  ForwardScratch(const BatchPlaces& batch, Surroundings& surroundings)
      : partial(allocate<double>(surroundings, std::max(of_edges(batch), of_nodes(batch)))),
        translation(allocate<double>(surroundings, std::size_t(batch.nodes) * 4)) {}

  static std::size_t of_edges(const BatchPlaces& batch) {
    return std::size_t(batch.jets) * EdgeSumsLayout<H>::kColumns;
  }
  static std::size_t of_nodes(const BatchPlaces& batch) {
    return std::size_t(node_blocks(batch.rows)) * 2 * H;
  }

  double *partial, *translation;
};

/// What the layers of a backward pass hand down, and what each of them needs meanwhile.
template <typename Op, int H>
struct BackwardScratch {
  BackwardScratch(const BatchPlaces& batch, int scalars, Surroundings& s)
      : gradient(allocate<float>(s, std::size_t(batch.rows) * H)),
        h(allocate<float>(s, std::size_t(batch.rows) * H)),
        r(allocate<float>(s, std::size_t(batch.rows) * H)),
        message(allocate<float>(s, std::size_t(batch.nodes) * H)),
        receivers(allocate<float>(s, std::size_t(batch.nodes) * H)),
        senders(allocate<float>(s, std::size_t(batch.nodes) * H)),
        columns(allocate<float>(
            s, std::size_t(column_rows(static_cast<long>(batch.pairs), batch.nodes)) * H)),
        p_s(allocate<float>(s, batch.pairs)),
        p_t(allocate<float>(s, batch.pairs)),
        // The blocks of EdgeBackward do not depend on whether coordinates move.
        edge_parts(allocate<float>(s, std::size_t(EdgeBackward<Op, H, true>::blocks(batch.nodes)) *
                                          EdgeSumPlaces<H>::kEnd)),
        weight_parts(allocate<float>(
            s, std::size_t(cuda::weight_parts(batch.rows)) * H * (5 * H + scalars))),
        partial(allocate<double>(s, std::size_t(node_blocks(batch.rows)) * 3 * H)),
        bias_partial(allocate<double>(s, std::size_t(node_blocks(batch.rows)) * H)),
        x(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        direct(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        translation(allocate<double>(s, std::size_t(batch.nodes) * 4)),
        norm_sums(allocate<double>(s, 3 * H)),
        edge_sums(allocate<double>(s, 4 * H)),
        total(allocate<double>(s, 4 * H)),
        terms(allocate<double>(s, EdgeNormTerms<H>::kSize)) {}

  float *gradient, *h, *r, *message, *receivers, *senders, *columns, *p_s, *p_t, *edge_parts,
      *weight_parts;
  double *partial, *bias_partial, *x, *direct, *translation, *norm_sums, *edge_sums, *total, *terms;
};

}  // namespace lorentznet::cuda
