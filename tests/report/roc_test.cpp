#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lorentznet/error.h"
#include "lorentznet/metrics.h"

using Catch::Contains;
using lorentznet::background_rejection;
using lorentznet::InputError;
using lorentznet::roc_auc;
using lorentznet::roc_curve;
using lorentznet::RocCurve;
using Labels = std::vector<std::int8_t>;
using Points = std::vector<double>;
using ScoredJets = std::vector<float>;

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

TEST_CASE("a ROC curve has one point for each score, except intermediate ones") {
  // Passing (background, signal) at 5, 4, ...: (0, 1) (1, 2) (2, 3) (3, 3). The steps to and from
  // the second one are the same, so it goes.
  const ScoredJets score = {2, 5, 4, 4, 2, 1};
  const Labels label = {1, 1, 0, 1, 0, 0};
  const RocCurve curve = roc_curve(score, label);
  CHECK(curve.background_efficiency == Points{0, 0, 2.0 / 3, 1});
  CHECK(curve.signal_efficiency == Points{0, 1.0 / 3, 1, 1});
  CHECK(curve.threshold == Points{kInfinity, 5, 2, 1});
  CHECK(curve.num_background == 3);
  CHECK(curve.num_signal == 3);
  CHECK(roc_auc(score, label) == 7.0 / 9);
}

TEST_CASE("collinear points with steps of different length stay in a ROC curve") {
  const ScoredJets score = {3, 3, 2, 2, 2, 2, 1, 1};
  const Labels label = {1, 0, 1, 1, 0, 0, 1, 0};
  const RocCurve curve = roc_curve(score, label);
  CHECK(curve.background_efficiency == Points{0, 0.25, 0.75, 1});
  CHECK(curve.signal_efficiency == Points{0, 0.25, 0.75, 1});
  CHECK(roc_auc(score, label) == 0.5);
}

TEST_CASE("the point of the highest score stays, though it continues from the origin") {
  const RocCurve curve = roc_curve(ScoredJets{4, 3, 2, 1}, Labels{1, 1, 1, 0});
  CHECK(curve.threshold == Points{kInfinity, 4, 2, 1});
  CHECK(curve.signal_efficiency == Points{0, 1.0 / 3, 1, 1});
}

TEST_CASE("equal scores make one step") {
  const ScoredJets score = {0.7F, 0.7F, 0.7F, 0.7F};
  const Labels label = {1, 0, 0, 1};
  const RocCurve curve = roc_curve(score, label);
  CHECK(curve.background_efficiency == Points{0, 1});
  CHECK(curve.signal_efficiency == Points{0, 1});
  CHECK(roc_auc(score, label) == 0.5);
  CHECK(roc_curve(ScoredJets{0.0F, -0.0F}, Labels{1, 0}).threshold.size() == 2);
  CHECK(roc_auc(ScoredJets{0.0F, -0.0F}, Labels{1, 0}) == 0.5);
}

TEST_CASE("scores that differ in the last bit are different") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  CHECK(roc_auc(ScoredJets{0, tiny}, Labels{0, 1}) == 1);
  CHECK(roc_auc(ScoredJets{1, std::nextafter(1.0F, 2.0F)}, Labels{0, 1}) == 1);
}

TEST_CASE("perfect separation leaves no background to count") {
  const ScoredJets score = {0.9F, 0.8F, 0.2F, 0.1F};
  const Labels label = {1, 1, 0, 0};
  CHECK(roc_auc(score, label) == 1);
  CHECK(roc_auc(score, Labels{0, 0, 1, 1}) == 0);
  CHECK_FALSE(background_rejection(roc_curve(score, label), 0.3));
  CHECK_FALSE(background_rejection(roc_curve(score, label), 1));
  CHECK(background_rejection(roc_curve(score, Labels{0, 0, 1, 1}), 0.6) == 1.0);
}

TEST_CASE("the background rejection is that of the first nearest point") {
  RocCurve curve;
  curve.signal_efficiency = {0, 0.25, 0.25, 0.75, 1};
  curve.background_efficiency = {0, 0.0625, 0.125, 0.25, 1};
  CHECK(background_rejection(curve, 0.25) == 16.0);
  CHECK(background_rejection(curve, 0.5) == 16.0);  // as far from 0.25 as from 0.75
  CHECK(background_rejection(curve, 0.6) == 4.0);
  CHECK(background_rejection(curve, 1) == 1.0);
  CHECK_FALSE(background_rejection(curve, 0.125));  // as far from 0 as from 0.25

  for (const double wanted : {0.0, -0.5, 1.5, std::nan("")}) {
    CHECK_THROWS_AS(background_rejection(curve, wanted), std::invalid_argument);
  }
  CHECK_THROWS_WITH(background_rejection(curve, 1.5), Contains("1.5"));
  CHECK_THROWS_AS(background_rejection(RocCurve{}, 0.3), std::invalid_argument);
  curve.background_efficiency.pop_back();
  CHECK_THROWS_WITH(background_rejection(curve, 0.3), Contains("5 signal and 4 background"));
}

TEST_CASE("a rejection is formatted for people") {
  CHECK(lorentznet::format_rejection(112.86681715575621, 100000) == "112.8668");
  CHECK(lorentznet::format_rejection(std::nullopt, 2500) == "> 2500");
}

TEST_CASE("scores and labels without a ROC curve are refused") {
  const auto check_both = [](const ScoredJets& score, const Labels& label, const auto& message) {
    CHECK_THROWS_WITH(roc_curve(score, label), message);
    CHECK_THROWS_WITH(roc_auc(score, label), message);
  };
  check_both({1, 2, 3}, {0, 1}, Contains("3 jets") && Contains("2 labels"));
  check_both({}, {}, Contains("no jets"));
  check_both({1, 2, 3}, {0, 1, -1}, Contains("label -1 of jet 2"));
  check_both({1, 2}, {1, 1}, Contains("2 signal and 0 background"));
  check_both({1, 2, 3}, {0, 0, 0}, Contains("0 signal and 3 background"));
  check_both({1, std::nanf("")}, {0, 1}, Contains("jet 1 is nan"));
  check_both({-HUGE_VALF, 1}, {0, 1}, Contains("jet 0 is -inf"));

  CHECK_THROWS_AS(roc_curve(ScoredJets{1, 2, 3}, Labels{0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(roc_curve(ScoredJets{1, 2}, Labels{0, 2}), std::invalid_argument);
  CHECK_THROWS_AS(roc_curve(ScoredJets{1, 2}, Labels{1, 1}), InputError);
  CHECK_THROWS_AS(roc_curve(ScoredJets{std::nanf(""), 2}, Labels{0, 1}), InputError);
}
