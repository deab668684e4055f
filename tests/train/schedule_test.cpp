#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "lorentznet/error.h"
#include "lorentznet/trainer.h"
#include "support.h"

using lorentznet::InputError;
using lorentznet::WarmupCosineSchedule;

namespace {

std::vector<double> trace(double base_lr, std::int64_t warmup_epochs, std::int64_t epochs) {
  const WarmupCosineSchedule schedule(base_lr, warmup_epochs);
  std::vector<double> rates;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    rates.push_back(schedule.learning_rate(epoch));
  }
  return rates;
}

}  // namespace

TEST_CASE("the default schedule is the published one to the last digit") {
  // "lr" of both published trainings (train-result.json): base rate 1e-3, 5 warm-up epochs.
  const std::vector<double> published = {0.0002,
                                         0.0004,
                                         0.0006,
                                         0.0008,
                                         0.001,
                                         0.0008535533905932737,
                                         0.0005,
                                         0.00014644660940672628,
                                         0.001,
                                         0.0009619397662556434,
                                         0.0008535533905932737,
                                         0.000691341716182545,
                                         0.0005,
                                         0.0003086582838174551,
                                         0.00014644660940672628,
                                         3.806023374435663e-05,
                                         0.001,
                                         0.0009903926402016153,
                                         0.0009619397662556434,
                                         0.0009157348061512727,
                                         0.0008535533905932737,
                                         0.0007777851165098011,
                                         0.000691341716182545,
                                         0.0005975451610080642,
                                         0.0005,
                                         0.00040245483899193594,
                                         0.0003086582838174551,
                                         0.00022221488349019903,
                                         0.00014644660940672628,
                                         8.426519384872733e-05,
                                         3.806023374435663e-05,
                                         9.607359798384786e-06,
                                         4.803679899192393e-06,
                                         2.4018399495961964e-06,
                                         1.2009199747980982e-06};
  CHECK(trace(1e-3, 5, 35) == published);
}

TEST_CASE("the schedule gives the rates in both published train-result.json") {
  const std::optional<std::filesystem::path> reference = lorentznet::test::reference_dir();
  if (!reference) {
    lorentznet::test::skip("no reference files");
    return;
  }
  for (const std::string task : {"top", "qg"}) {
    INFO(task);
    std::ifstream file(*reference / task / "train-result.json");
    const auto published = nlohmann::json::parse(file).at("lr").get<std::vector<double>>();
    REQUIRE(published.size() == 35);
    CHECK(trace(1e-3, 5, 35) == published);
  }
}

TEST_CASE("without warm-up the schedule is torch's CosineAnnealingWarmRestarts(T_0=4, T_mult=2)") {
  // What torch 2.11's get_lr() and step() give for base rate 0.0137, 28 epochs from 0.
  const std::vector<double> torch = {0.0137,
                                     0.011693681451127851,
                                     0.00685,
                                     0.00200631854887215,
                                     0.0137,
                                     0.013178574797702314,
                                     0.011693681451127851,
                                     0.009471381511700865,
                                     0.00685,
                                     0.0042286184882991355,
                                     0.00200631854887215,
                                     0.0005214252022976858,
                                     0.0137,
                                     0.013568379170762129,
                                     0.013178574797702314,
                                     0.012545566844272436,
                                     0.011693681451127851,
                                     0.010655656096184275,
                                     0.009471381511700865,
                                     0.00818636870581048,
                                     0.00685,
                                     0.005513631294189522,
                                     0.0042286184882991355,
                                     0.003044343903815727,
                                     0.00200631854887215,
                                     0.0011544331557275644,
                                     0.0005214252022976858,
                                     0.00013162082923787156};
  CHECK(trace(0.0137, 0, 28) == torch);
  CHECK(trace(0.0137, 1, 28) == torch);
}

TEST_CASE("any warm-up ends at the base rate, where the cosine begins") {
  const std::vector<double> cosine = trace(3e-4, 0, 12);
  for (const std::int64_t warmup : {1, 2, 3, 7, 20}) {
    INFO("warm-up " << warmup);
    const std::vector<double> rates = trace(3e-4, warmup, 32);
    for (std::int64_t k = 0; k < warmup; ++k) {
      CHECK(rates[k] == 3e-4 * (static_cast<double>(k + 1) / static_cast<double>(warmup)));
    }
    CHECK(std::vector(rates.begin() + warmup - 1, rates.begin() + warmup + 11) == cosine);
  }
}

TEST_CASE("from epoch 32 on the rate halves each epoch, whatever the warm-up") {
  for (const std::int64_t warmup : {0, 5, 31, 40}) {
    INFO("warm-up " << warmup);
    const WarmupCosineSchedule schedule(1e-3, warmup);
    CHECK(schedule.learning_rate(31) > 0);
    for (std::int64_t epoch = 32; epoch < 100; ++epoch) {
      CHECK(schedule.learning_rate(epoch) == schedule.learning_rate(epoch - 1) / 2);
    }
    CHECK(schedule.learning_rate(std::numeric_limits<std::int64_t>::max()) == 0);
  }
}

TEST_CASE("a schedule that makes no sense is refused") {
  for (const double lr : {-1e-3, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_AS(WarmupCosineSchedule(lr, 5), InputError);
  }
  CHECK_THROWS_AS(WarmupCosineSchedule(1e-3, -1), InputError);
  CHECK_THROWS_WITH(WarmupCosineSchedule(1e-3, -7), Catch::Contains("-7"));
  CHECK_THROWS_AS(WarmupCosineSchedule(1e-3, 5).learning_rate(-1), std::invalid_argument);
  CHECK(WarmupCosineSchedule(0, 5).learning_rate(7) == 0);
}
