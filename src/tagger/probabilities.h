#pragma once

namespace lorentznet {

/// The probabilities [classes] of logits [classes]: their softmax, rounded once to float. The same
/// bits on every machine. NaN if a logit is not finite.
void probabilities_of(const float* logits, int classes, float* probabilities);

}  // namespace lorentznet
