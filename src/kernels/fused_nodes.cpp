#include "kernels/fused_nodes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include <algorithm>
#include <utility>

#include "engine/engine_choice.h"
#include "kernels/fused_autograd.h"
#include "kernels/fused_kernel.h"
#include "kernels/fused_linear.h"
#include "kernels/groups.h"

namespace lorentznet {
namespace {

template <typename T>
at::Tensor run(const fused::Engine<T>& engine, const std::vector<at::Tensor>& arguments,
               torch::nn::BatchNorm1dImpl& norm, double padded_rows, std::int64_t most_kept,
               const std::shared_ptr<const Communicator>& ranks) {
  return run_part(std::make_unique<FusedNodes<T>>(engine, arguments, padded_rows), arguments,
                  [&](FusedNodes<T>& nodes, bool keep) -> std::vector<at::Tensor> {
                    return {nodes.forward(norm, keep ? most_kept : 0, ranks)};
                  })[0];
}

template <typename T>
at::Tensor run_linear(const fused::Engine<T>& engine, const std::vector<at::Tensor>& arguments) {
  auto linear =
      std::make_unique<FusedLinear<T>>(engine, arguments, arguments[kRows].requires_grad());
  return run_part(
      std::move(linear), arguments,
      [](FusedLinear<T>& part, bool) -> std::vector<at::Tensor> { return {part.forward()}; })[0];
}

}  // namespace

template <typename T>
FusedNodes<T>::FusedNodes(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
                          double ghost_weight)
    : engine_(engine),
      arguments_(detached(std::move(arguments))),
      rows_(arguments_[kNodeH].size(0)),
      hidden_(arguments_[kNodeH].size(1)),
      no_message_(at::zeros({hidden_}, arguments_[kNodeH].options())),
      in_(engine, arguments_[kNodeIn], arguments_[kNodeInBias]),
      out_(engine, arguments_[kNodeOut], arguments_[kNodeOutBias]) {
  const auto full = ghost_weight > 0 ? rows_ - 1 : rows_;
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
at::Tensor FusedNodes<T>::forward(torch::nn::BatchNorm1dImpl& norm, std::int64_t most_kept,
                                  const std::shared_ptr<const Communicator>& ranks) {
  const auto z = hidden();
  norm_ =
      norm.is_training() ? batch_norm_of(norm, statistics(z), count_, ranks) : running_norm(norm);
  const bool keep = static_cast<std::int64_t>(z.nbytes()) <= most_kept;
  if (keep) z_ = z;
  const auto result = at::empty_like(z);
  for_each_group(groups_, [&](const Group& group, std::int64_t) {
    const auto width = static_cast<int>(hidden_), rows = static_cast<int>(group.count);
    const auto first = group.first * hidden_;
    const auto y = keep ? at::empty_like(z.narrow(0, group.first, group.count))
                        : z.narrow(0, group.first, group.count);
    T* const y_rows = y.template mutable_data_ptr<T>();
    T* const out = result.template mutable_data_ptr<T>() + first;
    engine_.normalise(norm_.in<T>(), rows, width, z.template const_data_ptr<T>() + first, y_rows);
    engine_.linear(out_.get(), rows, {{{y_rows, width}}}, out);
    const T* const h = arguments_[kNodeH].const_data_ptr<T>() + first;
    for (std::int64_t k = 0; k < group.count * hidden_; ++k) out[k] += h[k];
  });
  return result;
}

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

at::Tensor FusedNodeKernel::forward(const NodeParameters& parameters, const at::Tensor& h,
                                    const at::Tensor& message, const at::Tensor& scalars,
                                    double padded_rows) const {
  TORCH_CHECK(!scalars.requires_grad(), "the fused kernel gives no gradient of the scalars");
  const std::vector<at::Tensor> arguments{h,
                                          message,
                                          scalars,
                                          parameters.node_in->weight,
                                          parameters.node_in->bias,
                                          parameters.node_norm->weight,
                                          parameters.node_norm->bias,
                                          parameters.node_out->weight,
                                          parameters.node_out->bias};
  auto& norm = *parameters.node_norm.ptr();
  if (h.scalar_type() == at::kDouble) {
    return run(engine_of<double>(isa_), arguments, norm, padded_rows, most_kept_, ranks_);
  }
  return run(engine_of<float>(isa_), arguments, norm, padded_rows, most_kept_, ranks_);
}

at::Tensor FusedNodeKernel::linear(torch::nn::LinearImpl& layer, const at::Tensor& rows) const {
  constexpr std::int64_t kFewest = 8;  // that the engine's products have
  const auto outputs = layer.weight.size(0);
  const auto missing = std::max<std::int64_t>(0, kFewest - outputs);
  TORCH_CHECK(!rows.requires_grad() || rows.size(1) >= kFewest,
              "the fused kernel gives no gradient of fewer than ", kFewest, " inputs");
  const std::vector<at::Tensor> arguments{rows,
                                          at::constant_pad_nd(layer.weight, {0, 0, 0, missing}),
                                          at::constant_pad_nd(layer.bias, {0, missing})};
  const auto result = rows.scalar_type() == at::kDouble
                          ? run_linear(engine_of<double>(isa_), arguments)
                          : run_linear(engine_of<float>(isa_), arguments);
  return result.narrow(1, 0, outputs);
}

}  // namespace lorentznet
