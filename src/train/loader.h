#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <span>
#include <vector>

#include "lorentznet/batch.h"

namespace lorentznet {

class ResidentJets;

/// The order in which an epoch of training visits `num_jets` jets: a shuffle that depends on
/// nothing but the two arguments, on every platform.
std::vector<std::int64_t> shuffled_order(std::int64_t num_jets, std::uint64_t seed);

/// One pass through jets in a given order, batch by batch, prepared ahead by threads; of a pass
/// that several ranks share, this rank's batches. In training a step takes batch_size jets for each
/// rank, and each gets a slice of them, of about the same work; otherwise batches are those of a
/// single process, and rank r has the batches r, r + ranks, r + 2 ranks, ...
class BatchLoader {
 public:
  struct Options {
    std::int64_t batch_size = 32;
    bool for_training = false;     ///< drops a last step that is not full
    std::int64_t first_jet = 0;    ///< where in the order to begin, for a resumed epoch
    std::int64_t num_workers = 0;  ///< batches prepared ahead, each by a thread of its own
    std::int64_t rank = 0, ranks = 1;
    /// Tables of `set` on a device: batches are gathered there. Null: from `set`, on the CPU.
    const ResidentJets* resident = nullptr;
  };

  /// `set`, `task` and `options.resident` must outlive the loader.
  BatchLoader(const JetSet& set, const Task& task, PoolingRule rule,
              std::vector<std::int64_t> order, const Options& options);

  /// From the first jet on: in training the number of steps, else of all ranks' batches.
  std::int64_t num_batches() const { return num_batches_; }
  /// This rank's next batch in order; empty behind the last. Rethrows what preparing it threw.
  std::optional<Batch> next();

 private:
  Batch prepare(std::int64_t index) const;
  Batch gather(std::span<const std::int64_t> jets, std::span<const std::int64_t> step) const;
  std::vector<std::int64_t> slice_of(std::span<const std::int64_t> step, std::int64_t rank,
                                     std::int64_t ranks) const;

  const JetSet& set_;
  const Task& task_;
  PoolingRule rule_;
  std::vector<std::int64_t> order_;
  Options options_;
  std::int64_t num_batches_;
  std::int64_t next_started_ = 0;           ///< of num_batches_
  std::deque<std::future<Batch>> pending_;  ///< last member: its threads use the others
};

}  // namespace lorentznet
