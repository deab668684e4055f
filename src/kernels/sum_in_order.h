#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace lorentznet {

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

}  // namespace lorentznet
