#include "report/bootstrap.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lorentznet/error.h"
#include "lorentznet/metrics.h"
#include "report/ranking.h"

namespace lorentznet {
namespace {

/// The rejection where no background jet passes.
constexpr double kNoBackground = std::numeric_limits<double>::infinity();

/// The figures of replica `number`. A sample without jets of a class is drawn again.
ReplicaFigures draw_replica(const BootstrapJets& jets, std::uint64_t seed, std::uint64_t number,
                            ReplicaBuffers& buffers) {
  Resampler resampler(seed, number);
  buffers.copies.resize(jets.order().size());
  while (true) {
    resampler.draw(buffers.copies);
    if (auto figures = jets.figures(buffers)) return *figures;
  }
}

std::vector<ReplicaFigures> draw_replicas(const BootstrapJets& jets,
                                          const BootstrapOptions& options) {
  std::vector<ReplicaFigures> replicas(static_cast<std::size_t>(options.replicas));
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    ReplicaBuffers buffers;
    for (auto k = next++; k < replicas.size(); k = next++) {
      replicas[k] = draw_replica(jets, options.seed, k, buffers);
    }
  };
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  const auto threads = options.threads > 0 ? options.threads : static_cast<std::int64_t>(cores);
  std::vector<std::jthread> others;
  for (std::int64_t k = 1; k < threads; ++k) others.emplace_back(work);
  work();
  others.clear();  // joins
  return replicas;
}

/// As numpy.percentile: linear interpolation between two of the sorted values.
double percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  const double weight = place - static_cast<double>(below);
  if (weight == 0 || sorted[below] == sorted[above]) return sorted[below];
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

template <typename Figure>
Interval interval_of(const std::vector<ReplicaFigures>& replicas, Figure figure) {
  std::vector<double> values;
  values.reserve(replicas.size());
  for (const auto& replica : replicas) values.push_back(figure(replica));
  std::sort(values.begin(), values.end());
  return {.low = percentile(values, 0.16), .high = percentile(values, 0.84)};
}

RankingIntervals intervals_of(const std::vector<ReplicaFigures>& replicas, std::size_t place) {
  const auto of = [&](auto member) {
    return interval_of(replicas, [=](const ReplicaFigures& figures) {
      return std::optional<double>(figures.ranking[place].*member).value_or(kNoBackground);
    });
  };
  return {.auc = of(&RankingFigures::auc),
          .rejection_at_30 = of(&RankingFigures::rejection_at_30),
          .rejection_at_50 = of(&RankingFigures::rejection_at_50)};
}

double mean_area(const ReplicaFigures& figures) {
  double sum = 0;
  for (const auto& of_class : figures.ranking) sum += of_class.auc;
  return sum / static_cast<double>(figures.ranking.size());
}

/// What more than two classes have: an interval for each, and that of their mean.
void add_classes(ScoreUncertainties& found, const std::vector<ReplicaFigures>& replicas,
                 const std::vector<std::int64_t>& ranked, std::size_t classes) {
  found.of_class.resize(classes);
  for (std::size_t place = 0; place < ranked.size(); ++place) {
    found.of_class[static_cast<std::size_t>(ranked[place])] = intervals_of(replicas, place);
  }
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  found.auc = ranked.size() == classes ? interval_of(replicas, mean_area)
                                       : Interval{.low = kNone, .high = kNone};
}

bool has_both_classes(const std::vector<PassingOf<double>>& passing) {
  return !passing.empty() && passing.back().signal > 0 && passing.back().background > 0;
}

}  // namespace

// SplitMix64 (Steele, Lea, Flood 2014): two multiplications a number, and any state is a good seed.
// std::mt19937_64 would have to fill 2.5 kB of state for each of these short streams.
Resampler::Resampler(std::uint64_t seed, std::uint64_t replica) : state_(seed) {
  state_ = next() ^ (replica * 0xD1342543DE82EF95U);
  state_ = next();
}

std::uint64_t Resampler::next() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

void Resampler::draw(std::span<std::uint8_t> copies) {
  std::fill(copies.begin(), copies.end(), std::uint8_t{0});
  const auto jets = static_cast<std::uint64_t>(copies.size());
  for (std::uint64_t k = 0; k < jets; ++k) {
    // The upper half of a 32 x 32 bit product: for 404,000 jets, no jet is likelier than another by
    // more than 1e-4.
    auto& count = copies[(next() >> 32) * jets >> 32];
    // More copies do not fit, but a jet is drawn so often with probability 1 / 255!.
    if (count < std::numeric_limits<std::uint8_t>::max()) ++count;
  }
}

BootstrapJets::BootstrapJets(std::span<const float> probability, std::span<const std::int8_t> label,
                             std::span<const double> weight) {
  const auto classes =
      label.empty() ? 2 : std::max(probability.size() / label.size(), std::size_t{2});
  check_probabilities(probability, label, static_cast<std::int64_t>(classes));
  check_weights(weight, label.size());
  for (std::size_t k = classes == 2 ? 1 : 0; k < classes; ++k) {
    const auto number = static_cast<std::int64_t>(k);
    if (lorentznet::has_both_classes(is_class(label, number), weight)) classes_.push_back(number);
  }
  if (classes_.empty()) {
    throw InputError("a bootstrap needs jets of two classes, with weights above 0");
  }
  rank(probability, label);
  const auto right = tagged_right(probability, label);
  for (const std::size_t jet : order()) {
    right_.push_back(right[jet]);
    if (!weight.empty()) weight_.push_back(weight[jet]);
  }
}

void BootstrapJets::rank(std::span<const float> probability, std::span<const std::int8_t> label) {
  const auto width = static_cast<std::int64_t>(probability.size() / label.size());
  std::vector<std::uint32_t> rank_of_jet(label.size());
  for (const auto number : classes_) {
    rankings_.emplace_back(column_of(probability, width, number), is_class(label, number));
    auto& places = places_.emplace_back();
    if (rankings_.size() == 1) {
      std::uint32_t rank = 0;
      for (const auto jet : order()) rank_of_jet[jet] = rank++;
      continue;
    }
    for (const auto jet : rankings_.back().order()) places.push_back(rank_of_jet[jet]);
  }
}

std::optional<ReplicaFigures> BootstrapJets::figures(ReplicaBuffers& buffers) const {
  auto& units = buffers.units;
  units.assign(buffers.copies.begin(), buffers.copies.end());
  for (std::size_t k = 0; k < weight_.size(); ++k) units[k] *= weight_[k];
  ReplicaFigures figures;
  for (std::size_t place = 0; place < rankings_.size(); ++place) {
    auto& by_rank = buffers.units_by_rank;
    by_rank.clear();
    for (const auto k : places_[place]) by_rank.push_back(units[k]);
    rankings_[place].passing_by_rank(place == 0 ? units : by_rank, buffers.passing);
    if (!has_both_classes(buffers.passing)) return std::nullopt;
    figures.ranking.push_back(ranking_figures(buffers.passing));
  }
  figures.accuracy = std::inner_product(right_.begin(), right_.end(), units.begin(), 0.0) /
                     std::accumulate(units.begin(), units.end(), 0.0);
  return figures;
}

ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options, std::span<const double> weight) {
  const BootstrapJets jets(probability, label, weight);
  if (options.replicas < 1) throw std::invalid_argument("a bootstrap needs at least one replica");
  const auto replicas = draw_replicas(jets, options);
  ScoreUncertainties found;
  found.replicas = options.replicas;
  found.accuracy = interval_of(replicas, [](const auto& figures) { return figures.accuracy; });
  const auto classes = probability.size() / label.size();
  if (classes > 2) {
    add_classes(found, replicas, jets.ranked_classes(), classes);
  } else {
    static_cast<RankingIntervals&>(found) = intervals_of(replicas, 0);
  }
  return found;
}

}  // namespace lorentznet
