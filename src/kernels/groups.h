#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <functional>
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

/// A row of a matrix, made zero.
template <typename T>
T* zero_row(const at::Tensor& rows, std::int64_t row) {
  const auto width = rows.size(1);
  T* const begin = rows.mutable_data_ptr<T>() + row * width;
  std::fill_n(begin, width, T{0});
  return begin;
}

/// rows[0] + rows[1] + ..., added in this order: the same bits for any number of threads.
template <typename T>
at::Tensor sum_in_order(const at::Tensor& rows) {
  const auto width = rows.size(1);
  const auto total = at::zeros({width}, rows.options());
  at::parallel_for(0, width, 1024, [&](std::int64_t begin, std::int64_t end) {
    T* to = total.mutable_data_ptr<T>();
    for (std::int64_t row = 0; row < rows.size(0); ++row) {
      const T* from = rows.const_data_ptr<T>() + row * width;
      for (auto k = begin; k < end; ++k) to[k] += from[k];
    }
  });
  return total;
}

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
