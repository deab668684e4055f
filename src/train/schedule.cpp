#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "lorentznet/error.h"
#include "lorentznet/trainer.h"

namespace lorentznet {
namespace {

constexpr std::int64_t kFirstPeriod = 4;          // epochs
constexpr std::int64_t kPeriodGrowth = 2;         // of each period over the one before
constexpr std::int64_t kLastScheduledEpoch = 31;  // later epochs halve
constexpr std::int64_t kHalvingsToZero = 4096;    // enough for any double

// Cosine with warm restarts, `t` epochs after the first maximum. Another order of operations would
// change the last digit of the published rates.
double cosine_with_restarts(double base_lr, std::int64_t t) {
  std::int64_t period = kFirstPeriod;
  while (t >= period) {
    t -= period;
    period *= kPeriodGrowth;
  }
  const double angle = std::numbers::pi * static_cast<double>(t) / static_cast<double>(period);
  return base_lr * (1.0 + std::cos(angle)) / 2.0;
}

}  // namespace

WarmupCosineSchedule::WarmupCosineSchedule(double base_lr, std::int64_t warmup_epochs)
    : base_lr_(base_lr), warmup_epochs_(warmup_epochs) {
  // Written so that NaN fails too.
  if (!(std::isfinite(base_lr) && base_lr >= 0)) {
    throw InputError(
        fmt::format("the learning rate must be a number of at least 0, not {}", base_lr));
  }
  if (warmup_epochs < 0) {
    throw InputError(
        fmt::format("the number of warm-up epochs must be at least 0, not {}", warmup_epochs));
  }
}

double WarmupCosineSchedule::learning_rate(std::int64_t epoch) const {
  if (epoch < 0) {
    throw std::invalid_argument(fmt::format("epochs count from 0: there is no epoch {}", epoch));
  }
  const std::int64_t k = std::min(epoch, kLastScheduledEpoch);
  const auto rise = static_cast<double>(k + 1) / static_cast<double>(warmup_epochs_);
  const std::int64_t t = k - std::max<std::int64_t>(warmup_epochs_ - 1, 0);
  const double scheduled = k < warmup_epochs_ ? base_lr_ * rise : cosine_with_restarts(base_lr_, t);
  const std::int64_t halvings = std::min(epoch - k, kHalvingsToZero);
  return std::ldexp(scheduled, -static_cast<int>(halvings));
}

}  // namespace lorentznet
