#include "kernels/fused_nodes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "kernels/detached.h"
#include "kernels/sum_in_order.h"

namespace lorentznet {
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

template class FusedNodes<float>;
template class FusedNodes<double>;

}  // namespace lorentznet
