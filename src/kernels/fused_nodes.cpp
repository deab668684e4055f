#include "kernels/fused_nodes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "engine/pack.h"

namespace lorentznet {

template <typename T>
PackedLinearTensor<T>::PackedLinearTensor(const at::Tensor& weight, const at::Tensor& bias,
                                          const std::vector<std::int64_t>& widths) {
  const auto outputs = static_cast<int>(weight.size(0)), inputs = static_cast<int>(weight.size(1));
  linear_.inputs = inputs;
  linear_.outputs = outputs;
  const std::int64_t row = fused::row_elements(outputs);
  std::int64_t elements = (inputs + 1) * row;
  for (std::size_t k = 0; k < widths.size(); ++k) {
    linear_.widths[k] = static_cast<int>(widths[k]);
    elements += outputs * fused::row_elements(linear_.widths[k]);
  }
  memory_ = at::zeros({elements}, weight.options());
  linear_.forward = memory_.mutable_data_ptr<T>();
  linear_.bias = linear_.forward + inputs * row;
  linear_.backward = linear_.bias + row;
  fused::pack_inputs(weight.const_data_ptr<T>(), outputs, inputs, linear_.forward);
  if (bias.defined()) fused::pack_rows(bias.const_data_ptr<T>(), 1, outputs, linear_.bias);
  T* to = linear_.backward;
  std::int64_t column = 0;
  for (const auto width : widths) {
    const auto piece = weight.narrow(1, std::exchange(column, column + width), width).contiguous();
    fused::pack_rows(piece.const_data_ptr<T>(), outputs, static_cast<int>(width), to);
    to += outputs * fused::row_elements(static_cast<int>(width));
  }
}

template <typename T>
FusedLinear<T>::FusedLinear(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
                            bool wants_rows)
    : engine_(engine),
      wants_rows_(wants_rows),
      arguments_(std::move(arguments)),
      groups_(row_groups(arguments_[kRows].size(0))),
      linear_(arguments_[kWeight], arguments_[kLinearBias], {arguments_[kWeight].size(1)}) {}

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

template <typename T>
FusedNodes<T>::FusedNodes(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
                          double ghost_weight)
    : engine_(engine),
      arguments_(std::move(arguments)),
      hidden_(arguments_[kNodeH].size(1)),
      no_message_(at::zeros({hidden_}, arguments_[kNodeH].options())),
      in_(arguments_[kNodeIn], arguments_[kNodeInBias],
          {hidden_, hidden_, arguments_[kNodeScalars].size(1)}),
      out_(arguments_[kNodeOut], arguments_[kNodeOutBias], {hidden_}) {
  const auto rows = arguments_[kNodeH].size(0);
  const auto full = ghost_weight > 0 ? rows - 1 : rows;
  for (const auto& group : row_groups(full)) groups_.push_back({group, false, 1});
  if (ghost_weight > 0) groups_.push_back({{full, 1}, true, ghost_weight});
  count_ = static_cast<double>(full) + ghost_weight;
}

template <typename T>
fused::RowPieces<const T> FusedNodes<T>::inputs(const Group& group) const {
  const auto piece = [&](const at::Tensor& tensor) {
    const auto width = tensor.size(1);
    return typename fused::RowPieces<const T>::Piece{
        tensor.const_data_ptr<T>() + group.first * width, static_cast<int>(width)};
  };
  auto message = typename fused::RowPieces<const T>::Piece{no_message_.const_data_ptr<T>(),
                                                           static_cast<int>(hidden_)};
  if (!group.ghost) message = piece(arguments_[kNodeMessage]);
  return {{piece(arguments_[kNodeH]), message, piece(arguments_[kNodeScalars])}};
}

template <typename T>
at::Tensor FusedNodes<T>::hidden() const {
  const auto z = at::empty_like(arguments_[kNodeH]);
  for_each_group(groups_, [&](const Group& group, std::int64_t) {
    engine_.linear(in_.get(), static_cast<int>(group.count), inputs(group),
                   z.template mutable_data_ptr<T>() + group.first * hidden_);
  });
  return z;
}

template <typename T>
at::Tensor FusedNodes<T>::statistics(const at::Tensor& z) const {
  const auto count = static_cast<std::int64_t>(groups_.size());
  const auto sums = at::empty({count, 2 * hidden_}, at::kDouble);
  for_each_group(groups_, [&](const Group& group, std::int64_t k) {
    double* const to = zero_row<double>(sums, k);
    for (auto i = group.first; i < group.first + group.count; ++i) {
      const T* row = z.const_data_ptr<T>() + i * hidden_;
      for (std::int64_t c = 0; c < hidden_; ++c) {
        const double value = row[c];
        to[c] += group.weight * value;
        to[hidden_ + c] += group.weight * value * value;
      }
    }
  });
  return sum_in_order<double>(sums).view({2, hidden_});
}

template <typename T>
at::Tensor FusedNodes<T>::forward(torch::nn::BatchNorm1dImpl& norm,
                                  const std::shared_ptr<const Communicator>& ranks,
                                  std::optional<std::int64_t> most_kept) {
  const auto z = hidden();
  norm_ =
      norm.is_training() ? batch_norm_of(norm, statistics(z), count_, ranks) : running_norm(norm);
  const bool keep = most_kept && static_cast<std::int64_t>(z.nbytes()) <= *most_kept;
  if (keep) z_ = z;
  const auto result = at::empty_like(z);
  for_each_group(groups_, [&](const Group& group, std::int64_t) {
    const auto width = static_cast<int>(hidden_), rows = static_cast<int>(group.count);
    const auto first = group.first * hidden_;
    const auto y = keep ? at::empty_like(z.narrow(0, group.first, group.count))
                        : z.narrow(0, group.first, group.count);
    T* const y_rows = y.template mutable_data_ptr<T>();
    T* const out = result.template mutable_data_ptr<T>() + first;
    engine_.normalise(norm_.as<T>(), rows, width, z.template const_data_ptr<T>() + first, y_rows);
    engine_.linear(out_.get(), rows, {{{y_rows, width}}}, out);
    const T* const h = arguments_[kNodeH].const_data_ptr<T>() + first;
    for (std::int64_t k = 0; k < group.count * hidden_; ++k) out[k] += h[k];
  });
  return result;
}

/// Sums of the backward pass, one row per group.
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
  engine_.normalise(norm_.as<T>(), rows, width, z_rows, y_rows);
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

template class FusedLinear<float>;
template class FusedLinear<double>;
template class FusedNodes<float>;
template class FusedNodes<double>;

}  // namespace lorentznet
