#include "kernels/fused_linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <utility>

#include "kernels/fused_autograd.h"
#include "kernels/groups.h"

namespace lorentznet {

template <typename T>
FusedLinear<T>::FusedLinear(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
                            bool wants_rows)
    : engine_(engine),
      wants_rows_(wants_rows),
      arguments_(detached(std::move(arguments))),
      groups_(row_groups(arguments_[kRows].size(0))),
      linear_(engine, arguments_[kWeight], arguments_[kLinearBias]) {}

template <typename T>
fused::RowPieces<const T> FusedLinear<T>::rows_of(const RowGroup& group) const {
  const auto width = linear_.get().inputs;
  return {{{arguments_[kRows].const_data_ptr<T>() + group.first * width, width}}};
}

template <typename T>
at::Tensor FusedLinear<T>::forward() const {
  const auto& rows = arguments_[kRows];
  const auto outputs = linear_.get().outputs;
  const auto result = at::empty({rows.size(0), outputs}, rows.options());
  for_each_group(groups_, [&](const RowGroup& group, std::int64_t) {
    engine_.linear(linear_.get(), static_cast<int>(group.count), rows_of(group),
                   result.template mutable_data_ptr<T>() + group.first * outputs);
  });
  return result;
}

template <typename T>
std::vector<at::Tensor> FusedLinear<T>::backward(const std::vector<at::Tensor>& gradients) const {
  const auto gradient = gradients[0].contiguous();
  const auto inputs = linear_.get().inputs, outputs = linear_.get().outputs;
  const auto count = static_cast<std::int64_t>(groups_.size());
  const auto of_rows = wants_rows_ ? at::empty_like(arguments_[kRows]) : at::Tensor();
  const auto weights = at::empty({count, arguments_[kWeight].numel()}, gradient.options());
  const bool has_bias = arguments_[kLinearBias].defined();
  const auto biases = has_bias ? at::empty({count, outputs}, at::kDouble) : at::Tensor();
  for_each_group(groups_, [&](const RowGroup& group, std::int64_t k) {
    const auto rows = static_cast<int>(group.count);
    const T* const from = gradient.template const_data_ptr<T>() + group.first * outputs;
    T* const to =
        wants_rows_ ? of_rows.template mutable_data_ptr<T>() + group.first * inputs : nullptr;
    engine_.linear_backward(linear_.get(), rows, rows_of(group), from, {{{to, inputs}}},
                            zero_row<T>(weights, k));
    if (has_bias) engine_.add_rows(rows, outputs, from, zero_row<double>(biases, k));
  });
  return {of_rows, sum_in_order<T>(weights).view_as(arguments_[kWeight]),
          has_bias ? sum_in_order<double>(biases).to(gradient.scalar_type()) : at::Tensor()};
}

template class FusedLinear<float>;
template class FusedLinear<double>;

}  // namespace lorentznet
