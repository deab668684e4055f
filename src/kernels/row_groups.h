#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lorentznet {

/// Rows first .. first + count - 1 of a batch's nodes.
struct RowGroup {
  std::int64_t first, count;
};

/// Rows in groups of whole tiles, by their number alone, so that sums by group, added in the
/// groups' order, have the same bits for any number of threads.
inline std::vector<RowGroup> row_groups(std::int64_t rows) {
  // Fewer rows would not be worth a group's sums of weight gradients.
  constexpr std::int64_t kRowsOfTile = 48, kFewest = 2 * kRowsOfTile, kMostGroups = 32;
  const auto tiles = (rows + kRowsOfTile - 1) / kRowsOfTile;
  const auto step = std::max(kFewest, (tiles + kMostGroups - 1) / kMostGroups * kRowsOfTile);
  std::vector<RowGroup> groups;
  for (std::int64_t first = 0; first < rows; first += step) {
    groups.push_back({first, std::min(step, rows - first)});
  }
  return groups;
}

/// Calls f(group, its number) for every group, in several threads.
template <typename Groups, typename F>
void for_each_group(const Groups& groups, const F& f) {
  const auto count = static_cast<std::int64_t>(groups.size());
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = begin; k < end; ++k) f(groups[static_cast<std::size_t>(k)], k);
  });
}

}  // namespace lorentznet
