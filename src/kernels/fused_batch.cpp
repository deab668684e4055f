#include "kernels/fused_batch.h"

#include <ATen/ops/empty.h>

#include <utility>

#include "kernels/detached.h"
#include "kernels/sum_in_order.h"

namespace lorentznet {
namespace {

/// Where each of `count` pieces of memory begins that follow one another, each at a multiple of
/// what the widest vector needs.
template <typename Size>
std::vector<std::int64_t> places(std::int64_t count, Size size) {
  constexpr std::int64_t kStep = 64;
  std::vector<std::int64_t> begin{0};
  for (std::int64_t k = 0; k < count; ++k) {
    begin.push_back((begin.back() + size(k) + kStep - 1) / kStep * kStep);
  }
  return begin;
}

}  // namespace

template <typename T>
FusedBatch<T>::FusedBatch(const fused::Engine<T>& engine, std::vector<std::int64_t> offsets,
                          std::vector<at::Tensor> arguments)
    : engine_(engine),
      offsets_(std::move(offsets)),
      schedule_(offsets_),
      arguments_(detached(std::move(arguments))),
      hidden_(arguments_[kU].numel()),
      projection_(engine, {arguments_[kH], arguments_[kProject], at::Tensor()},
                  /*wants_rows=*/true) {
  const auto jets = static_cast<std::int64_t>(offsets_.size()) - 1;
  const auto n = [&](std::int64_t k) { return static_cast<int>(offsets_[k + 1] - offsets_[k]); };
  const auto hidden = static_cast<int>(hidden_);
  pairs_ = places(jets, [&](auto k) { return engine_.pairs(n(k)); });
  signs_ = places(jets, [&](auto k) { return engine_.signs(n(k), hidden); });
  for (std::int64_t k = 0; k < jets; ++k) num_edges_ += std::int64_t{n(k)} * (n(k) - 1);
}

template <typename T>
const T* FusedBatch<T>::data(EdgeArgument which) const {
  return which < arguments_.size() ? arguments_[which].template const_data_ptr<T>() : nullptr;
}

template <typename T>
fused::LayerParameters<T> FusedBatch<T>::parameters() const {
  return {.hidden = static_cast<int>(hidden_),
          .u = data(kU),
          .v = data(kV),
          .scale = norm_.scale.defined() ? norm_.scale.const_data_ptr<T>() : nullptr,
          .edge_out = data(kEdgeOut),
          .edge_out_bias = data(kEdgeOutBias),
          .gate = data(kGate),
          .gate_bias = data(kGateBias),
          .move_in = data(kMoveIn),
          .move_in_bias = data(kMoveInBias),
          .move_out = data(kMoveOut)};
}

template <typename T>
fused::JetInput<T> FusedBatch<T>::jet(std::int64_t index, const at::Tensor& a_b) const {
  const auto begin = offsets_[index];
  return {.n = static_cast<int>(offsets_[index + 1] - begin),
          .a_b = a_b.const_data_ptr<T>() + 2 * hidden_ * begin,
          .x = arguments_[kX].const_data_ptr<double>() + 4 * begin};
}

template <typename T>
std::int64_t FusedBatch<T>::size_of_all() const {
  const auto nodes = 2 * hidden_ * offsets_.back(), edges = signs_.back();
  return nodes * static_cast<std::int64_t>(sizeof(T)) +
         edges * static_cast<std::int64_t>(sizeof(std::int32_t));
}

template <typename T>
at::Tensor FusedBatch<T>::project(bool with_statistics) {
  a_b_ = projection_.forward();
  if (!with_statistics) return {};
  const auto sums = at::empty({schedule_.num_groups(), 2 * hidden_}, at::kDouble);
  const auto layer = parameters();
  schedule_.for_each_group([&](std::int64_t group, const std::vector<std::int64_t>& jets) {
    double* const z = zero_row<double>(sums, group);
    for (const auto index : jets) {
      engine_.statistics(layer, jet(index, a_b_), {.z = z, .z2 = z + hidden_});
    }
  });
  return sum_in_order<double>(sums).view({2, hidden_});
}

template <typename T>
void FusedBatch<T>::set_norm(FusedNorm norm) {
  norm_ = std::move(norm);
}

template <typename T>
std::vector<at::Tensor> FusedBatch<T>::forward(Kept kept) {
  const auto options = arguments_[kU].options();
  const auto constituents = offsets_.back();
  const bool keep_all = kept == Kept::kAll;
  const auto message = at::empty({constituents, hidden_}, options);
  at::Tensor translation;
  if (moves()) {
    translation = at::empty({constituents, 4}, options.dtype(at::kDouble));
    phi_ = at::empty({pairs_.back()}, options);
    if (keep_all) kept_signs_ = at::empty({signs_.back()}, options.dtype(at::kInt));
  }
  const PackedLayerTensor<T> packed(engine_, parameters(), options);
  const auto& layer = packed.get();
  schedule_.for_each_jet([&](std::int64_t index) {
    fused::JetForward<T> out{};
    const auto begin = offsets_[index];
    out.message = message.mutable_data_ptr<T>() + begin * hidden_;
    if (moves()) {
      out.translation = translation.mutable_data_ptr<double>() + begin * 4;
      out.phi = phi_.mutable_data_ptr<T>() + pairs_[index];
      if (keep_all) out.signs = kept_signs_.mutable_data_ptr<std::int32_t>() + signs_[index];
    }
    engine_.forward(layer, norm_.in<T>(), jet(index, a_b_), out);
  });
  if (!keep_all) a_b_ = at::Tensor();
  if (kept == Kept::kNothing) phi_ = at::Tensor();
  if (!moves()) return {message};
  return {message, translation};
}

template class FusedBatch<float>;
template class FusedBatch<double>;

}  // namespace lorentznet
