#include "report/metrics_check.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "lorentznet/error.h"

namespace lorentznet {

void check_labels(std::size_t num_rows, std::span<const std::int8_t> label) {
  if (num_rows != label.size()) {
    throw std::invalid_argument("scores of " + std::to_string(num_rows) + " jets but " +
                                std::to_string(label.size()) + " labels");
  }
  if (label.empty()) {
    throw std::invalid_argument("no jets to score");
  }
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    if (label[jet] != 0 && label[jet] != 1) {
      throw std::invalid_argument("label " + std::to_string(label[jet]) + " of jet " +
                                  std::to_string(jet) + " is neither 0 nor 1");
    }
  }
}

void check_scores(std::span<const float> score, std::span<const std::int8_t> label) {
  check_labels(score.size(), label);
  for (std::size_t jet = 0; jet < score.size(); ++jet) {
    if (!std::isfinite(score[jet])) {
      throw InputError("the score of jet " + std::to_string(jet) + " is " +
                       std::to_string(score[jet]) + ", not a number to rank by");
    }
  }
}

void check_probabilities(std::span<const float> probability, std::span<const std::int8_t> label) {
  if (probability.size() % 2 != 0) {
    throw std::invalid_argument("two probabilities a jet, but " +
                                std::to_string(probability.size()) + " values");
  }
  check_labels(probability.size() / 2, label);
  constexpr float rounding = 1e-5F;
  for (std::size_t i = 0; i < probability.size(); ++i) {
    // Written so that NaN fails too.
    if (!(probability[i] >= 0 && probability[i] <= 1 + rounding)) {
      throw InputError("p" + std::to_string(i % 2) + " of jet " + std::to_string(i / 2) + " is " +
                       std::to_string(probability[i]) + ", not a probability");
    }
  }
}

}  // namespace lorentznet
