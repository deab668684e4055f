#include "report/bootstrap.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "lorentznet/error.h"
#include "lorentznet/metrics.h"
#include "report/result_files.h"

using namespace lorentznet;

namespace {

/// Jets with ties, signal where label is 1; probability [N, 2].
struct Sample {
  std::vector<float> probability;
  std::vector<std::int8_t> label;

  void add(float p1, std::int8_t is_signal) {
    probability.insert(probability.end(), {1 - p1, p1});
    label.push_back(is_signal);
  }
};

Sample random_sample(std::size_t jets, int levels) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> noise;
  Sample sample;
  for (std::size_t jet = 0; jet < jets; ++jet) {
    const auto is_signal = static_cast<std::int8_t>(random() % 2);
    const double p = 1 / (1 + std::exp(-noise(random) - 2 * (is_signal - 0.5)));
    sample.add(static_cast<float>(std::floor(p * levels) / levels), is_signal);
  }
  return sample;
}

void check_equal(const RankingFigures& a, const RankingFigures& b) {
  CHECK(a.auc == b.auc);
  CHECK(a.rejection_at_30 == b.rejection_at_30);
  CHECK(a.rejection_at_50 == b.rejection_at_50);
}

}  // namespace

TEST_CASE("a replica has the figures of the jets drawn") {
  const auto sample = random_sample(300, 40);
  for (const bool weighted : {false, true}) {
    std::vector<double> weight;
    for (std::size_t jet = 0; weighted && jet < 300; ++jet) weight.push_back(jet % 5 * 0.25);
    const BootstrapJets jets(sample.probability, sample.label, weight);
    ReplicaBuffers buffers;
    buffers.copies.resize(300);
    for (std::uint64_t number = 0; number < 20; ++number) {
      Resampler(3, number).draw(buffers.copies);
      Sample drawn;
      std::vector<double> drawn_weight;
      for (std::size_t k = 0; k < 300; ++k) {
        const auto jet = jets.order()[k];
        for (int copy = 0; copy < buffers.copies[k]; ++copy) {
          drawn.add(sample.probability[2 * jet + 1], sample.label[jet]);
          if (weighted) drawn_weight.push_back(weight[jet]);
        }
      }
      CHECK(drawn.label.size() == sample.label.size());
      const auto figures = jets.figures(buffers).value();
      REQUIRE(figures.ranking.size() == 1);
      check_equal(figures.ranking[0], summarize(drawn.probability, drawn.label, drawn_weight));
      CHECK(figures.accuracy == accuracy(drawn.probability, drawn.label, drawn_weight));
      const auto score = column_of(drawn.probability, 2, 1);
      const auto curve = roc_curve(score, drawn.label, drawn_weight);
      check_equal(figures.ranking[0], {.auc = roc_auc(score, drawn.label, drawn_weight),
                                       .rejection_at_30 = background_rejection(curve, 0.3),
                                       .rejection_at_50 = background_rejection(curve, 0.5)});
    }
  }
}

TEST_CASE("a replica of three classes has the figures of each against the others") {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<float> draw(0, 1);
  std::vector<float> probability;
  std::vector<std::int8_t> label;
  for (int jet = 0; jet < 200; ++jet) {
    const float a = draw(random) / 2, b = draw(random) / 2;
    probability.insert(probability.end(), {a, b, 1 - a - b});
    label.push_back(static_cast<std::int8_t>(jet % 3));
  }
  const BootstrapJets jets(probability, label, {});
  CHECK(jets.ranked_classes() == std::vector<std::int64_t>{0, 1, 2});
  ReplicaBuffers buffers;
  buffers.copies.resize(200);
  Resampler(5, 0).draw(buffers.copies);
  std::vector<double> weight(200);
  for (std::size_t k = 0; k < 200; ++k) weight[jets.order()[k]] = buffers.copies[k];
  const auto found = jets.figures(buffers).value();
  const auto expected = one_vs_rest(probability, 3, label, weight);
  for (std::size_t k = 0; k < 3; ++k) check_equal(found.ranking[k], expected[k].value());

  // Without jets of class 1 the others keep their figures.
  std::replace(label.begin(), label.end(), std::int8_t{1}, std::int8_t{2});
  const auto two = bootstrap(probability, label, {.replicas = 20});
  CHECK(two.of_class[0].has_value());
  CHECK_FALSE(two.of_class[1].has_value());
  CHECK(to_json(two)["test_auc"].is_null());
  CHECK(to_json(two)["test_auc_of_class"][1].is_null());
}

TEST_CASE("equal weights change no interval, and jets of weight 0 are as if they were not there") {
  const auto sample = random_sample(400, 100);
  const std::vector<double> equal(400, 0.125);
  const auto bare = bootstrap(sample.probability, sample.label, {.replicas = 30});
  const auto weighted = bootstrap(sample.probability, sample.label, {.replicas = 30}, equal);
  CHECK(to_json(weighted) == to_json(bare));
  std::vector<double> zero(400, 0);
  CHECK_THROWS_AS(bootstrap(sample.probability, sample.label, {}, zero), InputError);
  zero[7] = zero[8] = -1;
  CHECK_THROWS_AS(bootstrap(sample.probability, sample.label, {}, zero), InputError);
}

TEST_CASE("all jets are equally likely to be drawn, and each replica and seed draws others") {
  std::vector<std::uint8_t> copies(1000), again(1000);
  std::vector<double> mean(1000);
  for (std::uint64_t number = 0; number < 1000; ++number) {
    Resampler(1, number).draw(copies);
    for (std::size_t jet = 0; jet < 1000; ++jet) mean[jet] += copies[jet] / 1000.0;
  }
  // Each is a Poisson mean of 1 within 1/sqrt(1000): 5 sigma for all.
  for (const double value : mean) CHECK(std::abs(value - 1) < 5 / std::sqrt(1000.0));
  Resampler(1, 999).draw(again);
  CHECK(again == copies);
  Resampler(1, 998).draw(again);
  CHECK(again != copies);
  Resampler(2, 999).draw(again);
  CHECK(again != copies);
}

TEST_CASE("the interval of the accuracy is the binomial's, that of the AUC Hanley and McNeil's") {
  const auto sample = random_sample(4000, 1 << 20);
  const auto summary = summarize(sample.probability, sample.label);
  const auto found = bootstrap(sample.probability, sample.label, {.replicas = 1000});
  const double binomial = std::sqrt(summary.accuracy * (1 - summary.accuracy) / 4000);
  CHECK((found.accuracy.high - found.accuracy.low) / 2 == Approx(binomial).epsilon(0.1));
  CHECK((found.accuracy.high + found.accuracy.low) / 2 ==
        Approx(summary.accuracy).margin(binomial / 4));
  // Radiology 143 (1982) 29, for exponential scores: good to some percent for these.
  const double a = summary.auc, q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
  const double variance = (a * (1 - a) + 1999 * (q1 - a * a + q2 - a * a)) / (2000.0 * 2000);
  CHECK((found.auc.high - found.auc.low) / 2 == Approx(std::sqrt(variance)).epsilon(0.15));
  CHECK(found.rejection_at_50.low < *summary.rejection_at_50);
  CHECK(found.rejection_at_50.high > *summary.rejection_at_50);
  CHECK(found.rejection_at_30.high - found.rejection_at_30.low >
        found.rejection_at_50.high - found.rejection_at_50.low);
}

TEST_CASE("a bootstrap does not depend on the number of threads") {
  const auto sample = random_sample(500, 100);
  const auto one = bootstrap(sample.probability, sample.label, {.replicas = 50, .threads = 1});
  const auto many = bootstrap(sample.probability, sample.label, {.replicas = 50, .threads = 7});
  CHECK(to_json(one) == to_json(many));
  const auto other = bootstrap(sample.probability, sample.label, {.replicas = 50, .seed = 2});
  CHECK(to_json(one) != to_json(other));
}

TEST_CASE(
    "few jets: a rejection without background has no upper end, and each replica has both "
    "classes") {
  Sample sample;
  for (int k = 0; k < 5; ++k) sample.add(0.9F, 1);
  sample.add(0.1F, 0);
  const auto found = bootstrap(sample.probability, sample.label);
  CHECK(to_json(found)["test_1/eB_0.5"] == Json::array({nullptr, nullptr}));
  CHECK(found.auc.low == 1);
  CHECK(found.auc.high == 1);
}

TEST_CASE("unusable input of a bootstrap is refused") {
  Sample sample;
  sample.add(0.9F, 1);
  CHECK_THROWS_AS(bootstrap(sample.probability, sample.label), InputError);
  sample.add(0.1F, 0);
  CHECK_THROWS_AS(bootstrap(sample.probability, sample.label, {.replicas = 0}),
                  std::invalid_argument);
}
