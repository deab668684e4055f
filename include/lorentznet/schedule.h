#pragma once

#include <cstdint>

namespace lorentznet {

/// The learning rate of the published trainings: a linear warm-up, then a cosine with warm restarts
/// (Loshchilov and Hutter, arXiv:1608.03983; first period 4 epochs, each later one twice as long,
/// minimum 0), then halving.
///
/// With W warm-up epochs, base rate lr and epoch k from 0:
/// - k < W: lr * ((k + 1) / W);
/// - else lr (1 + cos(pi T / P)) / 2, where T is the place of t = k - max(W - 1, 0), which is 0 at
///   the last warm-up epoch, in its period of P = 4, 8, 16, ... epochs;
/// - from epoch 32 on, half of the epoch before, whatever stood at epoch 31 (a warm-up of more
///   than 32 epochs is therefore cut short).
///
/// The rate is a function of the epoch alone, so a resumed training needs no saved state. It equals
/// the published traces to the last digit.
class WarmupCosineSchedule {
 public:
  /// base_lr: dimensionless, finite, not negative. warmup_epochs: 0 or more; 0 and 1 mean the same.
  /// Throws InputError otherwise.
  WarmupCosineSchedule(double base_lr, std::int64_t warmup_epochs);

  /// The rate of every step of epoch `epoch` (from 0). Throws std::invalid_argument if negative.
  double learning_rate(std::int64_t epoch) const;

 private:
  double base_lr_;
  std::int64_t warmup_epochs_;
};

}  // namespace lorentznet
