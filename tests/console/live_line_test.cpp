#include "console/live_line.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <set>
#include <sstream>

using lorentznet::describe;
using lorentznet::PassProgress;

namespace {

const std::string kTrain = "train";

PassProgress halfway() {
  return {.partition = kTrain,
          .epoch = 2,
          .epochs = 35,
          .batches_done = 50,
          .batches = 100,
          .jets = 1600,
          .seconds = 8,
          .loss = 0.23456,
          .accuracy = 0.91234,
          .learning_rate = 1e-3};
}

}  // namespace

TEST_CASE("the live line tells how far a pass is, how fast, and how well it goes") {
  CHECK(describe(halfway(), 200) ==
        "Epoch 3/35 train [===============>              ]  50 %  200 jets/s  0:08 left  "
        "loss 0.2346  acc 0.9123  lr 1.00e-03");
  auto validation = halfway();
  validation.learning_rate = {};
  validation.seconds = 4 * 3600;
  CHECK(describe(validation, 200) ==
        "Epoch 3/35 train [===============>              ]  50 %  0 jets/s  4:00:00 left  "
        "loss 0.2346  acc 0.9123");
}

TEST_CASE("the live line never wraps") {
  for (int width = 0; width < 150; ++width) {
    CHECK(describe(halfway(), width).size() < static_cast<std::size_t>(std::max(width, 1)));
  }
  CHECK(describe(halfway(), 80) ==
        "Epoch 3/35 train   50 %  200 jets/s  0:08 left  loss 0.2346  acc 0.9123");
}

TEST_CASE("no number of the live line is cut") {
  CHECK(describe(halfway(), 20) == "Epoch 3/35   50 %");
  CHECK(describe(halfway(), 15) == "3/35   50 %");
  CHECK(describe(halfway(), 7) == "  50 %");
  CHECK(describe(halfway(), 6).empty());
  auto at_end = halfway();
  at_end.seconds = 123456;
  at_end.batches_done = 99;
  for (const auto& progress : {halfway(), at_end}) {
    std::istringstream all(describe(progress, 200));
    const std::set<std::string> known{std::istream_iterator<std::string>(all), {}};
    for (int width = 0; width < 150; ++width) {
      std::istringstream line(describe(progress, width));
      for (std::string word; line >> word;) {
        INFO(width << " columns: " << word);
        CHECK((known.contains(word) || word.find_first_of("[=>]") != std::string::npos));
      }
    }
  }
}

TEST_CASE("the bar is full at the end") {
  auto end = halfway();
  end.batches_done = 100;
  CHECK(describe(end, 200).find("[==============================] 100 %") != std::string::npos);
  CHECK(describe(end, 200).find("0:00 left") != std::string::npos);
}
