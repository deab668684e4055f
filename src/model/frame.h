#pragma once

#include <array>
#include <cstdint>

#include "lorentznet/batch.h"

namespace lorentznet {

/// Lambda [4, 4], row by row: p' = Lambda p for p = (E, px, py, pz).
using LorentzMatrix = std::array<std::array<double, 4>, 4>;

LorentzMatrix product(const LorentzMatrix& left, const LorentzMatrix& right);

/// 1 / sqrt(1 - beta^2). \throws c10::Error unless |beta| < 1
double gamma_of(double beta);

/// The transformation of jet `jet` of its set: a rotation, if the frame rotates, then a boost along
/// its axis: E' = gamma (E + beta p_axis), p_axis' = gamma (p_axis + beta E).
LorentzMatrix matrix_of(const Frame& frame, std::int64_t jet);

/// The batch as seen from `frame`, computed in double, beams too; the scalars stay.
/// \return on the same device
Batch seen_from(const Batch& batch, const Frame& frame);

}  // namespace lorentznet
