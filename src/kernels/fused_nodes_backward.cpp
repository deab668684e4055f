#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include "kernels/fused_nodes.h"
#include "kernels/sum_in_order.h"

namespace lorentznet {

/// Sums of the backward pass, a row for each group.
template <typename T>
struct FusedNodes<T>::Sums {
  Sums(std::int64_t groups, std::int64_t hidden, std::int64_t inputs, at::TensorOptions options)
      : out(at::empty({groups, hidden * hidden}, options)),
        in(at::empty({groups, hidden * inputs}, options)),
        norm(at::empty({groups, 2 * hidden}, at::kDouble)),
        out_bias(at::empty({groups, hidden}, at::kDouble)),
        in_bias(at::empty({groups, hidden}, at::kDouble)) {}

  at::Tensor out, in;  ///< gradients of the weights
  at::Tensor norm;     ///< sums of r and r zhat, r = dL/d(output of the batch norm)
  at::Tensor out_bias, in_bias;
};

template <typename T>
fused::NormValues FusedNodes<T>::norm_values() const {
  return {.mean = norm_.mean.data(), .inverse_sigma = norm_.inverse_sigma.data()};
}

/// First half: from the result to the batch norm's output, whose gradient is r.
template <typename T>
void FusedNodes<T>::backward_out(const Group& group, std::int64_t number, const at::Tensor& z,
                                 const at::Tensor& gradient, const at::Tensor& r,
                                 Sums& sums) const {
  const auto width = static_cast<int>(hidden_), rows = static_cast<int>(group.count);
  const auto first = group.first * hidden_;
  const T* const z_rows = z.const_data_ptr<T>() + first;
  const T* const from = gradient.const_data_ptr<T>() + first;
  T* const r_rows = r.mutable_data_ptr<T>() + first;
  const auto y = at::empty_like(z.narrow(0, group.first, group.count));
  T* const y_rows = y.template mutable_data_ptr<T>();
  engine_.normalise(norm_.in<T>(), rows, width, z_rows, y_rows);
  engine_.linear_backward(out_.get(), rows, {{{y_rows, width}}}, from, {{{r_rows, width}}},
                          zero_row<T>(sums.out, number));
  engine_.add_rows(rows, width, from, zero_row<double>(sums.out_bias, number));
  engine_.relu_backward(norm_values(), rows, width, z_rows, y_rows, r_rows,
                        zero_row<double>(sums.norm, number));
}

/// Second half: dL/dz, in r's place, and from there to the inputs. With statistics of the batch
///   dL/dz = scale (r - weight (sum r + zhat sum r zhat) / count).
template <typename T>
void FusedNodes<T>::backward_in(const Group& group, std::int64_t number, const at::Tensor& z,
                                const at::Tensor& norm_sums, const at::Tensor& r,
                                const Gradients& to, Sums& sums) const {
  const auto width = static_cast<int>(hidden_), rows = static_cast<int>(group.count);
  const auto first = group.first * hidden_;
  T* const r_rows = r.mutable_data_ptr<T>() + first;
  const auto means = norm_sums * (norm_.of_batch ? group.weight / norm_.count : 0);
  engine_.norm_backward(
      norm_values(), norm_.scale.const_data_ptr<T>(), means.template const_data_ptr<double>(), rows,
      width, z.const_data_ptr<T>() + first, r_rows, zero_row<double>(sums.in_bias, number));
  const auto in = inputs(group);
  const auto piece = [&](const at::Tensor& tensor, std::size_t k) {
    return typename fused::RowPieces<T>::Piece{
        tensor.defined() ? tensor.mutable_data_ptr<T>() + first : nullptr, in.of[k].width};
  };
  engine_.linear_backward(
      in_.get(), rows, in, r_rows,
      {{piece(to.h, 0), piece(group.ghost ? at::Tensor() : to.message, 1), piece(at::Tensor(), 2)}},
      zero_row<T>(sums.in, number));
}

template <typename T>
std::vector<at::Tensor> FusedNodes<T>::backward(const std::vector<at::Tensor>& gradients) const {
  const auto gradient = gradients[0].contiguous();
  const auto z = z_.defined() ? z_ : hidden();
  const auto r = at::empty_like(z);
  const auto count = static_cast<std::int64_t>(groups_.size());
  Sums sums(count, hidden_, in_.get().inputs, z.options());
  for_each_group(groups_, [&](const Group& group, std::int64_t k) {
    backward_out(group, k, z, gradient, r, sums);
  });
  const auto norm = sum_in_order<double>(sums.norm);
  const auto norm_of_all = norm_.over_ranks(norm);
  const Gradients to{at::empty_like(z), at::empty_like(arguments_[kNodeMessage])};
  for_each_group(groups_, [&](const Group& group, std::int64_t k) {
    backward_in(group, k, z, norm_of_all, r, to, sums);
  });
  const auto type = z.scalar_type();
  const auto total = [&](const at::Tensor& tensor) {
    return sum_in_order<double>(tensor).to(type);
  };
  return {to.h.add_(gradient),
          to.message,
          at::Tensor(),
          sum_in_order<T>(sums.in).view({hidden_, in_.get().inputs}),
          total(sums.in_bias),
          norm.narrow(0, hidden_, hidden_).to(type),
          norm.narrow(0, 0, hidden_).to(type),
          sum_in_order<T>(sums.out).view({hidden_, hidden_}),
          total(sums.out_bias)};
}

template class FusedNodes<float>;
template class FusedNodes<double>;

}  // namespace lorentznet
