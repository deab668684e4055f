#include "model/frame.h"

#include <ATen/ops/empty_like.h>

#include <cmath>
#include <numbers>
#include <random>

namespace lorentznet {
namespace {

using Direction = std::array<double, 3>;  ///< of length 1

/// Numbers in [0, 1) that depend on seed and jet alone. (The standard library's distributions
/// differ between implementations; its engines do not.)
class Uniform {
 public:
  Uniform(std::uint64_t seed, std::int64_t jet) {
    std::seed_seq words{seed, seed >> 32, static_cast<std::uint64_t>(jet),
                        static_cast<std::uint64_t>(jet) >> 32};
    engine_.seed(words);
  }
  double operator()() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

 private:
  std::mt19937_64 engine_;
};

/// Uniform over the sphere: z and the azimuth are uniform (Archimedes).
Direction random_direction(Uniform& uniform) {
  const double z = 2 * uniform() - 1, phi = 2 * std::numbers::pi * uniform();
  const double r = std::sqrt(1 - z * z);
  return {r * std::cos(phi), r * std::sin(phi), z};
}

/// Uniform over all rotations (Shoemake, Graphics Gems III, 1992).
std::array<double, 4> random_quaternion(Uniform& uniform) {
  const double u = uniform(), a = 2 * std::numbers::pi * uniform(),
               b = 2 * std::numbers::pi * uniform();
  return {std::sqrt(1 - u) * std::sin(a), std::sqrt(1 - u) * std::cos(a),
          std::sqrt(u) * std::sin(b), std::sqrt(u) * std::cos(b)};
}

Direction direction_of(Frame::Axis axis, Uniform& uniform) {
  switch (axis) {
    case Frame::Axis::kX:
      return {1, 0, 0};
    case Frame::Axis::kY:
      return {0, 1, 0};
    case Frame::Axis::kZ:
      return {0, 0, 1};
    case Frame::Axis::kRandom:
      return random_direction(uniform);
  }
  return {1, 0, 0};
}

LorentzMatrix boost_matrix(double beta, const Direction& axis) {
  const double gamma = gamma_of(beta);
  LorentzMatrix matrix{};
  matrix[0][0] = gamma;
  for (std::size_t i = 0; i < 3; ++i) {
    matrix[0][i + 1] = matrix[i + 1][0] = gamma * beta * axis[i];
    for (std::size_t j = 0; j < 3; ++j) {
      matrix[i + 1][j + 1] = (i == j ? 1. : 0.) + (gamma - 1) * axis[i] * axis[j];
    }
  }
  return matrix;
}

/// The rotation of the unit quaternion (w, x, y, z).
LorentzMatrix rotation_matrix(const std::array<double, 4>& quaternion) {
  const auto [w, x, y, z] = quaternion;
  return {{{1, 0, 0, 0},
           {0, 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
           {0, 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
           {0, 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}}};
}

}  // namespace

double gamma_of(double beta) {
  TORCH_CHECK(std::abs(beta) < 1, "beta is ", beta, ", not a velocity below that of light");
  return 1 / std::sqrt((1 - beta) * (1 + beta));
}

LorentzMatrix product(const LorentzMatrix& left, const LorentzMatrix& right) {
  LorentzMatrix result{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      for (std::size_t k = 0; k < 4; ++k) result[i][j] += left[i][k] * right[k][j];
    }
  }
  return result;
}

LorentzMatrix matrix_of(const Frame& frame, std::int64_t jet) {
  Uniform uniform(frame.seed, jet);
  // Drawn even if it is not used, so that the axis does not depend on `rotates`.
  const auto rotation = rotation_matrix(random_quaternion(uniform));
  const auto boost = boost_matrix(frame.beta, direction_of(frame.axis, uniform));
  return frame.rotates ? product(boost, rotation) : boost;
}

Batch seen_from(const Batch& batch, const Frame& frame) {
  Batch seen = batch;
  const auto before = batch.p4.to(at::kCPU).contiguous();
  const auto after = at::empty_like(before);
  const auto* const p = before.const_data_ptr<double>();
  auto* const q = after.mutable_data_ptr<double>();
  for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
    const auto matrix = matrix_of(frame, batch.jets[static_cast<std::size_t>(jet)]);
    for (auto node = batch.offsets[jet]; node < batch.offsets[jet + 1]; ++node) {
      for (std::int64_t i = 0; i < 4; ++i) {
        double sum = 0;
        for (std::int64_t j = 0; j < 4; ++j) sum += matrix[i][j] * p[4 * node + j];
        q[4 * node + i] = sum;
      }
    }
  }
  seen.p4 = after.to(batch.p4.device());
  return seen;
}

}  // namespace lorentznet
