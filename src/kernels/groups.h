#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace lorentznet {

// How a batch is spread over threads. Groups of rows or jets depend on the batch alone, and sums by
// group are added in the groups' order: results are the same, bit for bit, for any number of
// threads.

/// Rows first .. first + count - 1 of a batch.
struct RowGroup {
  std::int64_t first, count;
};

/// `rows` rows in groups of whole chunks.
std::vector<RowGroup> row_groups(std::int64_t rows);

/// Calls f(group, its number) for every group, in several threads.
template <typename Groups, typename F>
void for_each_group(const Groups& groups, const F& f) {
  const auto count = static_cast<std::int64_t>(groups.size());
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = begin; k < end; ++k) f(groups[static_cast<std::size_t>(k)], k);
  });
}

/// A row of a matrix, set to zero.
template <typename T>
T* zero_row(const at::Tensor& rows, std::int64_t row) {
  const auto width = rows.size(1);
  T* const begin = rows.mutable_data_ptr<T>() + row * width;
  std::fill_n(begin, width, T{0});
  return begin;
}

/// rows[0] + rows[1] + ..., added in this order.
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

/// The jets of a batch in groups of nearly equal work.
class JetSchedule {
 public:
  /// \param offsets [J+1] of a batch
  explicit JetSchedule(const std::vector<std::int64_t>& offsets);

  std::int64_t num_groups() const { return static_cast<std::int64_t>(groups_.size()); }

  /// Calls f(group, its jets) for every group, in several threads.
  void for_each_group(
      const std::function<void(std::int64_t, const std::vector<std::int64_t>&)>& f) const;
  /// Calls f(jet) for every jet, in several threads.
  void for_each_jet(const std::function<void(std::int64_t)>& f) const;

 private:
  std::vector<std::vector<std::int64_t>> groups_;
};

}  // namespace lorentznet
