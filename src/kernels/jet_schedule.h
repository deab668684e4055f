#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace lorentznet {

/// How the jets of a batch are spread over threads. Groups depend on the batch alone, so that sums
/// by group, added in the groups' order, have the same bits for any number of threads.
class JetSchedule {
 public:
  /// \param offsets [J+1] of a batch
  explicit JetSchedule(const std::vector<std::int64_t>& offsets);

  std::int64_t num_groups() const { return static_cast<std::int64_t>(groups_.size()); }

  /// Calls f(group, its jets) for every group, in several threads; groups with the most edges
  /// first.
  void for_each_group(
      const std::function<void(std::int64_t, const std::vector<std::int64_t>&)>& f) const;
  /// Calls f(jet) for every jet alike.
  void for_each_jet(const std::function<void(std::int64_t)>& f) const;

 private:
  std::vector<std::vector<std::int64_t>> groups_;
};

}  // namespace lorentznet
