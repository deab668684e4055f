#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "lorentznet/batch.h"

namespace lorentznet {

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
