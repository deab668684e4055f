#include "kernels/groups.h"

#include <atomic>
#include <numeric>
#include <queue>
#include <utility>

namespace lorentznet {

std::vector<RowGroup> row_groups(std::int64_t rows) {
  // Adding up a group's weight gradients costs more than it gains for fewer rows than kFewest.
  // The engine does 64 rows at a time.
  constexpr std::int64_t kRowsOfChunk = 64, kFewest = 2 * kRowsOfChunk, kMostGroups = 32;
  const auto chunks = (rows + kRowsOfChunk - 1) / kRowsOfChunk;
  const auto step = std::max(kFewest, (chunks + kMostGroups - 1) / kMostGroups * kRowsOfChunk);
  std::vector<RowGroup> groups;
  for (std::int64_t first = 0; first < rows; first += step) {
    groups.push_back({first, std::min(step, rows - first)});
  }
  return groups;
}

JetSchedule::JetSchedule(const std::vector<std::int64_t>& offsets) {
  const auto jets = offsets.size() - 1;
  const auto work = [&](std::int64_t jet) {
    const auto n = offsets[jet + 1] - offsets[jet];
    return n * n;
  };
  std::vector<std::int64_t> order(jets);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return work(a) > work(b); });

  // Enough groups for many threads, few enough that adding their sums costs nothing.
  constexpr std::size_t kFewGroups = 32, kManyGroups = 64;
  groups_.resize(std::min(jets, std::clamp(jets / 2, kFewGroups, kManyGroups)));
  using Load = std::pair<std::int64_t, std::size_t>;  // work, group
  std::priority_queue<Load, std::vector<Load>, std::greater<>> least;
  for (std::size_t group = 0; group < groups_.size(); ++group) least.emplace(0, group);
  for (const auto jet : order) {
    const auto [load, group] = least.top();
    least.pop();
    groups_[group].push_back(jet);
    least.emplace(load + work(jet), group);
  }
}

void JetSchedule::for_each_group(
    const std::function<void(std::int64_t, const std::vector<std::int64_t>&)>& f) const {
  std::atomic<std::int64_t> next = 0;  // a thread takes the next group when it is free
  const auto work = [&](std::int64_t, std::int64_t) {
    for (auto group = next++; group < num_groups(); group = next++) f(group, groups_[group]);
  };
  at::parallel_for(0, std::min<std::int64_t>(at::get_num_threads(), num_groups()), 1, work);
}

void JetSchedule::for_each_jet(const std::function<void(std::int64_t)>& f) const {
  for_each_group([&](std::int64_t, const std::vector<std::int64_t>& jets) {
    for (const auto jet : jets) f(jet);
  });
}

}  // namespace lorentznet
