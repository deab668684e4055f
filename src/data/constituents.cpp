#include "data/constituents.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace lorentznet {
namespace {

/// log x, x >= 1, to about 1e-16: of x = 2^k m with m from 1/sqrt(2) to sqrt(2),
/// k log 2 + 2 artanh((m - 1) / (m + 1)).
double log_of(double x) {
  constexpr int kFractionBits = 52;
  constexpr std::uint64_t kOne = 0x3ff0000000000000;  // of 1.0
  auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<std::int64_t>(bits >> kFractionBits) - 1023;
  bits = (bits & ((std::uint64_t{1} << kFractionBits) - 1)) | kOne;
  double m = std::bit_cast<double>(bits);
  if (m > std::numbers::sqrt2) {
    m /= 2;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), square = s * s;  // at most 0.0295
  constexpr int kTerms = 11;
  double sum = 0;
  for (int k = kTerms; k >= 1; --k) sum = (sum + 1.0 / (2 * k + 1)) * square;
  return static_cast<double>(exponent) * std::numbers::ln2 + (2 * s + 2 * s * sum);
}

}  // namespace

MomentumFault fault_of(const double* p4) {
  constexpr double kRounding = 1.01;
  if (!std::all_of(p4, p4 + 4, [](double value) { return std::isfinite(value); })) {
    return MomentumFault::kNotFinite;
  }
  if (!(p4[0] > 0)) return MomentumFault::kNotPositive;
  if (p4[0] > kMaxEnergy || p4[0] < kMinEnergy) return MomentumFault::kOutOfRange;
  const double momentum2 = p4[1] * p4[1] + p4[2] * p4[2] + p4[3] * p4[3];
  const bool fits = momentum2 <= kRounding * kRounding * p4[0] * p4[0];
  return fits ? MomentumFault::kNone : MomentumFault::kTooFast;
}

double invariant_mass(const double* p4) {
  const double sum = p4[0] * p4[0] + p4[1] * p4[1] + p4[2] * p4[2] + p4[3] * p4[3];
  return std::sqrt(std::abs(2 * (p4[0] * p4[0]) - sum));
}

double psi_of_mass(double mass) {
  const double sum = 1 + mass;
  return log_of(sum) + (mass - (sum - 1)) / sum;  // what was lost in the sum, to first order
}

void encode_top_constituent(const double* p4, std::span<const double> given,
                            std::span<double> scalars) {
  std::fill(scalars.begin(), scalars.end(), 0.0);
  if (given.empty()) scalars[0] = psi_of_mass(invariant_mass(p4));
  std::copy(given.begin(), given.end(), scalars.begin());
}

void encode_top_beam(std::span<double> scalars) {
  std::fill(scalars.begin(), scalars.end(), 0.0);
  scalars.back() = psi_of_mass(1);
}

void encode_species(int species, std::span<double> scalars) {
  std::fill(scalars.begin(), scalars.end(), 0.0);
  if (species >= 0) scalars[static_cast<std::size_t>(species)] = 1;
}

}  // namespace lorentznet
