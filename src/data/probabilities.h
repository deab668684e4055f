#pragma once

namespace lorentznet {

/// The probabilities [classes] of logits [classes]: their softmax, in double, or that rounded to
/// float. The same bits on every machine. NaN if a logit is not finite.
void probabilities_of(const float* logits, int classes, double* probabilities);
void probabilities_of(const float* logits, int classes, float* probabilities);

}  // namespace lorentznet
