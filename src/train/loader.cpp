#include "train/loader.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "model/resident_jets.h"

namespace lorentznet {
namespace {

/// A number in [0, bound), all equally likely. (std::uniform_int_distribution gives different
/// numbers with different standard libraries.)
std::uint64_t draw_below(std::mt19937_64& engine, std::uint64_t bound) {
  const auto limit = std::numeric_limits<std::uint64_t>::max() / bound * bound;
  for (;;) {
    const auto value = engine();
    if (value < limit) return value % bound;
  }
}

}  // namespace

std::vector<std::int64_t> shuffled_order(std::int64_t num_jets, std::uint64_t seed) {
  auto order = file_order(num_jets);
  std::mt19937_64 engine(seed);
  for (std::size_t left = order.size(); left > 1; --left) {
    std::swap(order[left - 1], order[draw_below(engine, left)]);
  }
  return order;
}

BatchLoader::BatchLoader(const JetSet& set, const Task& task, PoolingRule rule,
                         std::vector<std::int64_t> order, const Options& options)
    : set_(set),
      task_(task),
      rule_(rule),
      order_(std::move(order)),
      options_(options),
      next_started_(options.for_training ? 0 : options.rank) {
  TORCH_CHECK(options.resident == nullptr || &options.resident->set() == &set,
              "the tables are of other jets");
  const auto jets = static_cast<std::int64_t>(order_.size()) - options.first_jet;
  const auto size = options.batch_size;
  num_batches_ = options.for_training ? jets / (size * options.ranks) : (jets + size - 1) / size;
}

std::optional<Batch> BatchLoader::next() {
  const auto ahead = static_cast<std::size_t>(std::max<std::int64_t>(options_.num_workers, 0));
  const auto policy = ahead > 0 ? std::launch::async : std::launch::deferred;
  while (pending_.size() <= ahead && next_started_ < num_batches_) {
    pending_.push_back(
        std::async(policy, [this, index = next_started_] { return prepare(index); }));
    next_started_ += options_.for_training ? 1 : options_.ranks;
  }
  if (pending_.empty()) return std::nullopt;
  auto batch = std::move(pending_.front());
  pending_.pop_front();
  return batch.get();
}

Batch BatchLoader::prepare(std::int64_t index) const {
  const bool for_training = options_.for_training;
  const auto size = options_.batch_size * (for_training ? options_.ranks : 1);
  const auto order =
      std::span(order_).subspan(static_cast<std::size_t>(options_.first_jet + index * size));
  const auto step = order.first(std::min(static_cast<std::size_t>(size), order.size()));
  const auto jets = own_jets(step);
  if (options_.resident != nullptr) {
    return options_.resident->batch(jets, rule_, for_training, step);
  }
  return make_batch(set_, jets, task_, rule_, for_training, step).to(options_.device);
}

/// This rank's jets of a step. The ranks wait for the slowest, and the work of a jet grows with the
/// square of its constituents, so jets are dealt out by falling size, forth and back.
std::vector<std::int64_t> BatchLoader::own_jets(std::span<const std::int64_t> step) const {
  const auto ranks = options_.ranks;
  std::vector<std::int64_t> jets(step.begin(), step.end());
  if (!options_.for_training || ranks == 1) return jets;
  std::stable_sort(jets.begin(), jets.end(), [this](std::int64_t a, std::int64_t b) {
    return set_.multiplicity(a) > set_.multiplicity(b);
  });
  std::vector<std::int64_t> own;
  for (std::size_t k = 0; k < jets.size(); ++k) {
    const auto round = static_cast<std::int64_t>(k) / ranks,
               place = static_cast<std::int64_t>(k) % ranks;
    if ((round % 2 == 0 ? place : ranks - 1 - place) == options_.rank) own.push_back(jets[k]);
  }
  return own;
}

}  // namespace lorentznet
