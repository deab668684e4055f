#include "data/probabilities.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace lorentznet {
namespace {

/// exp x, x <= 0, to about 1e-16; 0 below the normal numbers. Of x = k log 2 + r, |r| <= log 2 / 2:
/// 2^k sum_n r^n / n!.
double exp_of(double x) {
  constexpr double kLeast = -708;
  if (x < kLeast) return 0;
  // log 2 in two parts, of which the first times k is exact.
  constexpr double kLog2High = 0x1.62e42feep-1, kLog2Low = 0x1.a39ef35793c76p-33;
  const double k = std::floor(x * std::numbers::log2e + 0.5);
  const double r = (x - k * kLog2High) - k * kLog2Low;
  constexpr int kTerms = 13;
  double sum = 1;
  for (int n = kTerms; n >= 1; --n) sum = 1 + sum * r / n;
  const auto exponent = static_cast<std::uint64_t>(static_cast<std::int64_t>(k) + 1023);
  return sum * std::bit_cast<double>(exponent << 52U);
}

/// The softmax, each rounded once to T.
template <typename T>
void softmax(const float* logits, int classes, T* probabilities) {
  const auto finite = [](float logit) { return std::isfinite(logit); };
  if (!std::all_of(logits, logits + classes, finite)) {
    std::fill_n(probabilities, classes, std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const double most = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += exp_of(logits[k] - most);
  for (int k = 0; k < classes; ++k) {
    probabilities[k] = static_cast<T>(exp_of(logits[k] - most) / sum);
  }
}

}  // namespace

void probabilities_of(const float* logits, int classes, double* probabilities) {
  softmax(logits, classes, probabilities);
}
void probabilities_of(const float* logits, int classes, float* probabilities) {
  softmax(logits, classes, probabilities);
}

}  // namespace lorentznet
