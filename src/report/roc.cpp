#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <stdexcept>

#include "lorentznet/error.h"
#include "lorentznet/metrics.h"
#include "report/metrics_check.h"

namespace lorentznet {
namespace {

// Jets at or above one score.
struct Passing {
  float threshold;
  std::int64_t background;
  std::int64_t signal;
};

// One entry for each different score, falling; the last one counts all jets.
std::vector<Passing> count_passing(std::span<const float> score,
                                   std::span<const std::int8_t> label) {
  check_scores(score, label);
  struct Jet {
    float score;
    std::int8_t label;
  };
  std::vector<Jet> jets(score.size());
  for (std::size_t i = 0; i < jets.size(); ++i) {
    jets[i] = {score[i], label[i]};
  }
  std::sort(jets.begin(), jets.end(), [](Jet a, Jet b) { return a.score > b.score; });

  std::vector<Passing> passing;
  std::int64_t signal = 0;
  for (std::size_t i = 0; i < jets.size(); ++i) {
    signal += jets[i].label;
    const bool last_of_tie = i + 1 == jets.size() || jets[i + 1].score != jets[i].score;
    if (last_of_tie) {
      passing.push_back({jets[i].score, static_cast<std::int64_t>(i + 1) - signal, signal});
    }
  }
  const Passing& all = passing.back();
  if (all.signal == 0 || all.background == 0) {
    throw InputError("a ROC curve needs jets of both classes, not " + std::to_string(all.signal) +
                     " signal and " + std::to_string(all.background) + " background jets");
  }
  return passing;
}

// Whether the step to b and the step from b are the same, as scikit-learn's second difference asks.
// (Points that are collinear with steps of different length stay.)
bool is_intermediate(const Passing& a, const Passing& b, const Passing& c) {
  return b.background - a.background == c.background - b.background &&
         b.signal - a.signal == c.signal - b.signal;
}

void add_point(RocCurve& curve, double threshold, std::int64_t background, std::int64_t signal) {
  curve.background_efficiency.push_back(static_cast<double>(background) /
                                        static_cast<double>(curve.num_background));
  curve.signal_efficiency.push_back(static_cast<double>(signal) /
                                    static_cast<double>(curve.num_signal));
  curve.threshold.push_back(threshold);
}

}  // namespace

RocCurve roc_curve(std::span<const float> score, std::span<const std::int8_t> label) {
  const std::vector<Passing> passing = count_passing(score, label);
  RocCurve curve;
  curve.num_background = passing.back().background;
  curve.num_signal = passing.back().signal;
  // The start takes no part in the dropping, so the first score's point always stays.
  add_point(curve, std::numeric_limits<double>::infinity(), 0, 0);
  for (std::size_t i = 0; i < passing.size(); ++i) {
    const bool inner = i > 0 && i + 1 < passing.size();
    if (inner && is_intermediate(passing[i - 1], passing[i], passing[i + 1])) {
      continue;
    }
    add_point(curve, passing[i].threshold, passing[i].background, passing[i].signal);
  }
  return curve;
}

double roc_auc(std::span<const float> score, std::span<const std::int8_t> label) {
  // Twice the trapezoids' area in units of one (signal, background) pair is an integer, below 2^63
  // for up to two billion jets of each class.
  std::int64_t twice_area = 0;
  Passing before{0, 0, 0};
  for (const Passing& here : count_passing(score, label)) {
    twice_area += (here.background - before.background) * (here.signal + before.signal);
    before = here;
  }
  const double pairs = static_cast<double>(before.background) * static_cast<double>(before.signal);
  return static_cast<double>(twice_area) / (2.0 * pairs);
}

std::optional<double> background_rejection(const RocCurve& curve, double signal_efficiency) {
  if (!(signal_efficiency > 0 && signal_efficiency <= 1)) {
    throw std::invalid_argument("signal efficiency " + std::to_string(signal_efficiency) +
                                " is not in (0, 1]");
  }
  const std::vector<double>& efficiency = curve.signal_efficiency;
  if (efficiency.empty() || efficiency.size() != curve.background_efficiency.size()) {
    throw std::invalid_argument(
        "a ROC curve of " + std::to_string(efficiency.size()) + " signal and " +
        std::to_string(curve.background_efficiency.size()) + " background efficiencies");
  }
  const auto nearer = [=](double a, double b) {
    return std::abs(a - signal_efficiency) < std::abs(b - signal_efficiency);
  };
  // min_element returns the first of equals.
  const auto nearest = std::min_element(efficiency.begin(), efficiency.end(), nearer);
  const double background = curve.background_efficiency[nearest - efficiency.begin()];
  if (background == 0) {
    return std::nullopt;
  }
  return 1.0 / background;
}

std::string format_rejection(std::optional<double> rejection, std::int64_t num_background) {
  if (!rejection) {
    return "> " + std::to_string(num_background);
  }
  std::array<char, 64> text{};  // a rejection is at most the number of background jets
  std::snprintf(text.data(), text.size(), "%.4f", *rejection);
  return text.data();
}

}  // namespace lorentznet
