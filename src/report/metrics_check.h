#pragma once

#include <cstdint>
#include <span>

namespace lorentznet {

/// Throws std::invalid_argument unless there are `num_rows` labels, at least one, all 0 or 1.
void check_labels(std::size_t num_rows, std::span<const std::int8_t> label);

/// Throws as check_labels, and InputError for a score that is not finite.
void check_scores(std::span<const float> score, std::span<const std::int8_t> label);

/// Throws as check_labels, and InputError for a value outside [0, 1] (rounding allowed) or NaN.
void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label);

}  // namespace lorentznet
