#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lorentznet/records.h"

namespace lorentznet {

struct BootstrapOptions {
  std::int64_t replicas = 200;
  std::uint64_t seed = 1;
  std::int64_t threads = 0;  ///< 0: as many as there are cores; the result does not depend on it
};

/// The central 68 % of a figure over the replicas of a bootstrap: their 16th and 84th percentile.
struct Interval {
  double low = 0;
  double high = 0;  ///< of a rejection: infinite where no background passes in 16 % of the replicas
};

/// How much the figures of N jets would differ for N other ones.
struct ScoreUncertainties {
  Interval accuracy, auc, rejection_at_30, rejection_at_50;
  std::int64_t replicas = 0;
};

/// Draws N of the N jets with replacement, again and again, and computes all figures of each
/// sample. One sort in all, O(N) a replica. probability: [N, 2]; label: [N]. \throws as summarize()
/// in metrics.h, and std::invalid_argument without replicas
ScoreUncertainties bootstrap(std::span<const float> probability, std::span<const std::int8_t> label,
                             const BootstrapOptions& options = {});

/// "test_acc": [low, high], ... with the names of test-result.json; null for infinite.
Json to_json(const ScoreUncertainties& uncertainties);

}  // namespace lorentznet
