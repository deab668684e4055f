#include "lorentznet/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "lorentznet/error.h"

using Catch::Contains;
using lorentznet::accuracy;
using lorentznet::cross_entropy;
using lorentznet::InputError;
using lorentznet::summarize;
using Labels = std::vector<std::int8_t>;
using Probabilities = std::vector<float>;  // [N, 2]

TEST_CASE("accuracy takes the larger probability and class 0 at a tie") {
  CHECK(accuracy(Probabilities{0.25, 0.75, 0.75, 0.25, 0.25, 0.75}, Labels{1, 0, 0}) == 2.0 / 3);
  CHECK(accuracy(Probabilities{0.5, 0.5}, Labels{0}) == 1);
  CHECK(accuracy(Probabilities{0.5, 0.5}, Labels{1}) == 0);
}

TEST_CASE("cross-entropy is the mean of -log p of the label") {
  const double expected = -(std::log(0.25) + std::log(0.5) + std::log(0.125)) / 3;
  CHECK(cross_entropy(Probabilities{0.75, 0.25, 0.5, 0.5, 0.125, 0.875}, Labels{1, 0, 0}) ==
        Approx(expected).epsilon(1e-14).margin(0));
  CHECK(cross_entropy(Probabilities{0, 1}, Labels{1}) == 0);
}

TEST_CASE("a probability that underflowed costs a finite loss") {
  CHECK(cross_entropy(Probabilities{1, 0}, Labels{1}) ==
        Approx(149 * std::log(2.0)).epsilon(1e-14).margin(0));
  // What float can hold is used as it is.
  CHECK(cross_entropy(Probabilities{1, 0x1p-148F}, Labels{1}) ==
        Approx(148 * std::log(2.0)).epsilon(1e-14).margin(0));
}

TEST_CASE("a summary holds every figure, with p1 as the score") {
  const Probabilities probability = {0.125, 0.875, 0.25, 0.75, 0.625, 0.375, 0.75, 0.25};
  const lorentznet::ScoreSummary summary = summarize(probability, Labels{1, 0, 1, 0});
  CHECK(summary.accuracy == 0.5);
  CHECK(summary.loss == cross_entropy(probability, Labels{1, 0, 1, 0}));
  CHECK(summary.auc == 0.75);
  CHECK_FALSE(summary.rejection_at_30);  // nearest: (0, 0.5)
  CHECK_FALSE(summary.rejection_at_50);
  CHECK(summary.num_background == 2);

  const lorentznet::ScoreSummary other = summarize(probability, Labels{0, 1, 0, 1});
  CHECK(other.auc == 0.25);
  CHECK(other.rejection_at_50 == 2.0);
}

TEST_CASE("the two rejections of a summary are those at 0.3 and 0.5") {
  // By falling score: background, 3 signal, background, 2 signal, background, 5 signal, background.
  const Labels label = {0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0};
  Probabilities probability;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const float p0 = static_cast<float>(jet) / 16;
    probability.insert(probability.end(), {p0, 1 - p0});
  }
  const lorentznet::ScoreSummary summary = summarize(probability, label);
  CHECK(summary.rejection_at_30 == 4.0);
  CHECK(summary.rejection_at_50 == 2.0);
}

TEST_CASE("invalid probabilities are refused") {
  const auto check_both = [](const Probabilities& p, const Labels& label, const auto& message) {
    CHECK_THROWS_WITH(accuracy(p, label), message);
    CHECK_THROWS_WITH(cross_entropy(p, label), message);
    CHECK_THROWS_WITH(summarize(p, label), message);
  };
  check_both({0.5, 0.5, 0.5}, {0}, Contains("3 values"));
  check_both({0.5, 0.5, 0.5, 0.5}, {0}, Contains("2 jets") && Contains("1 labels"));
  check_both({}, {}, Contains("no jets"));
  check_both({0.5, 0.5}, {2}, Contains("label 2 of jet 0"));
  check_both({0.5, 0.5, 0.5, std::nanf("")}, {0, 1}, Contains("p1 of jet 1 is nan"));
  check_both({-0.5, 1}, {0}, Contains("p0 of jet 0 is -0.5"));
  check_both({0, 1.5}, {1}, Contains("p1 of jet 0 is 1.5"));

  CHECK_THROWS_AS(accuracy(Probabilities{0.5, 0.5}, Labels{2}), std::invalid_argument);
  CHECK_THROWS_AS(accuracy(Probabilities{0.5, 0.5, 0.5}, Labels{0}), std::invalid_argument);
  CHECK_THROWS_AS(accuracy(Probabilities{0.5, std::nanf("")}, Labels{1}), InputError);
  CHECK_THROWS_AS(summarize(Probabilities{0.5, 0.5}, Labels{1}), InputError);
}
