#include "report/ranking.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// An integer that rises where the score falls.
std::uint32_t falling_key(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0 and 0 are one score
  constexpr std::uint32_t sign = 1U << 31;
  return (bits & sign) != 0 ? bits : ~(bits | sign);
}

/// Moves `from` to `to`, sorted by 11 bits of the keys; equal ones keep their order.
void sort_by_digit(const std::vector<std::uint64_t>& from, std::vector<std::uint64_t>& to,
                   unsigned shift) {
  constexpr std::uint64_t digits = 1U << 11;
  const auto digit = [=](std::uint64_t key) { return (key >> shift) % digits; };
  std::array<std::size_t, digits + 1> begin{};
  for (const auto key : from) ++begin[digit(key) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  for (const auto key : from) to[begin[digit(key)]++] = key;
}

/// Indices by falling score, equal ones in their order. A radix sort: O(N), and 404,000 jets take
/// a quarter of std::sort's time.
std::vector<std::uint32_t> falling_order(std::span<const float> score) {
  if (score.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw std::invalid_argument(std::to_string(score.size()) + " jets are too many to rank");
  }
  std::vector<std::uint64_t> keys(score.size()), others(score.size());
  for (std::size_t jet = 0; jet < keys.size(); ++jet) {
    keys[jet] = (std::uint64_t{falling_key(score[jet])} << 32) | jet;
  }
  sort_by_digit(keys, others, 32);
  sort_by_digit(others, keys, 43);
  sort_by_digit(keys, others, 54);
  return {others.begin(), others.end()};  // the lower half of each: the index
}

void check_weights(std::span<const double> weight, std::size_t jets) {
  if (weight.size() != jets) {
    throw std::invalid_argument(std::to_string(weight.size()) + " weights of " +
                                std::to_string(jets) + " jets");
  }
  for (std::size_t jet = 0; jet < jets; ++jet) {
    if (std::isfinite(weight[jet]) && weight[jet] >= 0) continue;
    throw InputError("the weight of jet " + std::to_string(jet) + " is " +
                     std::to_string(weight[jet]) + ", not a number from 0 on");
  }
}

}  // namespace

Ranking::Ranking(std::span<const float> score, std::span<const std::int8_t> label) {
  check_scores(score, label);
  const auto signal = std::count(label.begin(), label.end(), 1);
  const auto background = static_cast<std::int64_t>(label.size()) - signal;
  if (signal == 0 || background == 0) {
    throw InputError("a ROC curve needs jets of both classes, not " + std::to_string(signal) +
                     " signal and " + std::to_string(background) + " background jets");
  }
  order_ = falling_order(score);
  jets_.reserve(order_.size());
  for (const auto jet : order_) {
    if (!jets_.empty()) jets_.back().last_of_tie = jets_.back().score != score[jet];
    jets_.push_back({.score = score[jet], .signal = label[jet] == 1, .last_of_tie = true});
  }
}

std::vector<Passing> Ranking::passing() const {
  std::vector<Passing> passing;
  this->passing(std::vector<std::uint8_t>(jets_.size(), 1), passing);
  return passing;
}

void Ranking::passing(std::span<const std::uint8_t> copies, std::vector<Passing>& passing) const {
  passing.clear();
  passing.reserve(jets_.size());
  std::int64_t all = 0, signal = 0, before = 0;
  for (std::size_t k = 0; k < jets_.size(); ++k) {
    all += copies[k];
    signal += jets_[k].signal ? copies[k] : 0;
    if (jets_[k].last_of_tie && all > before) {
      passing.push_back(
          {.threshold = jets_[k].score, .background = all - signal, .signal = signal});
      before = all;
    }
  }
}

std::vector<PassingOf<double>> Ranking::passing(std::span<const double> weight) const {
  check_weights(weight, jets_.size());
  std::vector<PassingOf<double>> passing;
  double background = 0, signal = 0;
  for (std::size_t begin = 0, end = 0; begin < jets_.size(); begin = end) {
    while (!jets_[end].last_of_tie) ++end;
    ++end;
    // Of equal scores the later jet first: scikit-learn's sums to the last bit.
    for (std::size_t k = end; k-- > begin;) {
      (jets_[k].signal ? signal : background) += weight[order_[k]];
    }
    passing.push_back(
        {.threshold = jets_[begin].score, .background = background, .signal = signal});
  }
  if (!(signal > 0) || !(background > 0)) {
    throw InputError("a ROC curve needs jets of both classes, not weights of " +
                     std::to_string(signal) + " for signal and " + std::to_string(background) +
                     " for background");
  }
  return passing;
}

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
