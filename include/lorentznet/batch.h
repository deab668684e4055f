#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// How a jet's embeddings are pooled: they are summed and divided by n_nodes.
///
/// The published program lays jets out in padded rows, and its n_nodes counts the padding.
enum class Pooling {
  kBatch,     ///< 2 beams + the columns in which any jet of the batch has a constituent
  kConstant,  ///< a constant of the model
  kJet,       ///< the jet's own number of nodes: no padding enters
};

struct PoolingRule {
  Pooling pooling = Pooling::kJet;
  std::int64_t n_nodes = 0;  ///< the constant of Pooling::kConstant
};

/// J jets as the network takes them, laid end to end: P nodes in all, beams included.
struct Batch {
  std::vector<std::int64_t> offsets{0};  ///< [J+1] jet j owns nodes offsets[j] .. offsets[j+1] - 1
  at::Tensor p4;                         ///< [P, 4] double, four-momenta (E, px, py, pz) [GeV]
  at::Tensor scalars;                    ///< [P, S] double, input scalars of each node
  at::Tensor label;                      ///< [J] int64; -1: not known
  at::Tensor weight;                     ///< [J] double; undefined: 1 each
  at::Tensor n_nodes;                    ///< [J, 1] double, divisor of each jet's pooled embedding
  std::int64_t padded_rows = 0;          ///< rows of padding that count in training statistics
  std::vector<std::int64_t> jets;        ///< [J] the jets' indices in their JetSet

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  /// A copy on `device`.
  Batch to(const at::Device& device) const;
};

/// Jets 0 .. num_jets-1 as the file has them.
std::vector<std::int64_t> file_order(std::int64_t num_jets);

/// Gathers jets of `set` into a batch: adds the beams (of tasks that have them) before each jet's
/// constituents, computes the input scalars and n_nodes.
///
/// \param indices  jets of `set`, at least one
/// \param step     the jets whose columns Pooling::kBatch counts, where `indices` are a part of
///                 them: those of a step of training over all ranks. Empty: `indices`
/// \throws InputError naming the jet if one has more nodes than the constant n_nodes while
///         `for_training`, where padding to that width is part of the statistics
Batch make_batch(const JetSet& set, std::span<const std::int64_t> indices, const Task& task,
                 const PoolingRule& rule, bool for_training,
                 std::span<const std::int64_t> step = {});

/// Lambda [4, 4], row by row: p' = Lambda p for p = (E, px, py, pz).
using LorentzMatrix = std::array<std::array<double, 4>, 4>;
using Direction = std::array<double, 3>;  ///< of length 1

/// What an observer sees who moves with velocity `beta` (|beta| < 1) against `axis`:
/// E' = gamma (E + beta p_axis), p_axis' = gamma (p_axis + beta E).
LorentzMatrix boost_matrix(double beta, const Direction& axis);
/// The rotation of the unit quaternion (w, x, y, z).
LorentzMatrix rotation_matrix(const std::array<double, 4>& quaternion);
LorentzMatrix product(const LorentzMatrix& left, const LorentzMatrix& right);

/// From where the jets of a test are looked at.
struct Frame {
  enum class Axis { kX, kY, kZ, kRandom };
  double beta = 0;         ///< velocity of the boost
  Axis axis = Axis::kX;    ///< random: another direction for each jet
  bool rotates = false;    ///< each jet is rotated at random before it is boosted
  std::uint64_t seed = 0;  ///< of what is random; a jet's share depends on its index alone

  bool moves() const { return beta != 0 || rotates; }
};

/// \throws InputError if it is none of x, y, z, random
Frame::Axis parse_axis(const std::string& name);

/// The transformation of jet `jet` of its set.
LorentzMatrix matrix_of(const Frame& frame, std::int64_t jet);

/// The batch as seen from `frame`, on the same device: in double, beams too, scalars are kept.
Batch seen_from(const Batch& batch, const Frame& frame);

}  // namespace lorentznet
