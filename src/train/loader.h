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

/// The order in which an epoch of training visits `num_jets` jets: a shuffle that depends only on
/// the two arguments, on every platform.
std::vector<std::int64_t> shuffled_order(std::int64_t num_jets, std::uint64_t seed);

/// One pass through jets in a given order: this rank's batches, prepared ahead by threads. In
/// training a step takes batch_size jets for each rank, divided so that the ranks have about the
/// same work. Otherwise the batches are those of a single process, and rank r has the batches r,
/// r + ranks, r + 2 ranks, ...
class BatchLoader {
 public:
  struct Options {
    std::int64_t batch_size = 32;
    bool for_training = false;     ///< drops a last step that is not full
    std::int64_t first_jet = 0;    ///< place in the order to begin at, for a resumed epoch
    std::int64_t num_workers = 0;  ///< batches prepared ahead, each by a thread of its own
    std::int64_t rank = 0, ranks = 1;
    at::Device device = at::kCPU;  ///< to which batches are sent
    /// Tables of `set` on a device, where batches are then gathered. Null: from `set`,
    /// on the CPU, and then sent.
    const ResidentJets* resident = nullptr;
  };

  /// `set`, `task` and `options.resident` must outlive the loader.
  /// \throws c10::Error if the tables are not those of `set`
  BatchLoader(const JetSet& set, const Task& task, PoolingRule rule,
              std::vector<std::int64_t> order, const Options& options);

  /// From the first jet on: in training the number of steps, else that of all ranks' batches.
  std::int64_t num_batches() const { return num_batches_; }
  /// This rank's next batch in order; empty after the last. Rethrows what preparing it threw.
  std::optional<Batch> next();

 private:
  Batch prepare(std::int64_t index) const;
  std::vector<std::int64_t> own_jets(std::span<const std::int64_t> step) const;

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
