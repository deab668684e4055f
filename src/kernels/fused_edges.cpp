#include "kernels/fused_edges.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "engine/pack.h"
#include "engine/scratch.h"

namespace lorentznet {
namespace {

std::int64_t num_edges(std::int64_t n) { return n * (n - 1); }

/// Elements of a mask of `width` bits.
std::int64_t mask_words(std::int64_t width) { return (width + 63) / 64; }

/// One group's fused::LayerGradients in two rows of memory.
template <typename T>
fused::LayerGradients<T> gradients_in(T* at, double* sums, std::int64_t h) {
  const auto row = fused::row_elements(static_cast<int>(h));
  const auto take = [&](std::int64_t rows) { return std::exchange(at, at + rows * row); };
  const auto take_sum = [&](std::int64_t count) { return std::exchange(sums, sums + count); };
  return {.edge_out = take(h),
          .move_in = take(h),
          .edge_out_bias = take(1),
          .gate = take(1),
          .positive = take(1),
          .gate_bias = take(1),
          .norm_output = take_sum(h),
          .norm_z = take_sum(h),
          .s_q = take_sum(h),
          .t_q = take_sum(h),
          .s_z = take_sum(h),
          .t_z = take_sum(h),
          .products = take_sum(5)};
}
std::int64_t gradient_rows(std::int64_t h) { return 2 * h + 4; }
std::int64_t sum_elements(std::int64_t h) { return 6 * h + 5; }

/// The parameters of a layer's edge part in the engine's order, and their memory.
template <typename T>
class PackedLayerTensor {
 public:
  PackedLayerTensor(const fused::LayerParameters<T>& parameters, at::TensorOptions options)
      : memory_(at::empty({fused::layer_elements(parameters.hidden)}, options)),
        layer_(fused::pack_layer(parameters, memory_.mutable_data_ptr<T>())) {}

  const fused::PackedLayer<T>& get() const { return layer_; }

 private:
  at::Tensor memory_;
  fused::PackedLayer<T> layer_;
};

}  // namespace

template <typename T>
FusedEdges<T>::FusedEdges(const fused::Engine<T>& engine, const JetGraph& graph,
                          std::vector<at::Tensor> arguments)
    : engine_(engine),
      offsets_(graph.offsets()),
      num_edges_(graph.num_edges()),
      schedule_(offsets_),
      arguments_(std::move(arguments)),
      hidden_(arguments_[kU].numel()),
      projection_(engine, {arguments_[kH], arguments_[kProject], at::Tensor()},
                  /*wants_rows=*/true),
      pairs_{0} {
  for (std::size_t k = 0; k + 1 < offsets_.size(); ++k) {
    const auto n = offsets_[k + 1] - offsets_[k];
    pairs_.push_back(pairs_.back() + n * fused::row_elements(static_cast<int>(n)));
  }
}

template <typename T>
const T* FusedEdges<T>::data(EdgeArgument which) const {
  return which < arguments_.size() ? arguments_[which].template const_data_ptr<T>() : nullptr;
}

template <typename T>
fused::LayerParameters<T> FusedEdges<T>::parameters() const {
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
fused::JetInput<T> FusedEdges<T>::jet(std::int64_t index, const at::Tensor& a_b) const {
  const auto begin = offsets_[index];
  return {.n = static_cast<int>(offsets_[index + 1] - begin),
          .a_b = a_b.const_data_ptr<T>() + 2 * hidden_ * begin,
          .x = arguments_[kX].const_data_ptr<double>() + 4 * begin};
}

/// Sums of z and z^2 over the batch's edges, [2, H] double.
template <typename T>
at::Tensor FusedEdges<T>::statistics() const {
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
fused::KeptEdges<T> FusedEdges<T>::kept(std::int64_t index) const {
  if (kept_.empty() || kept_[index].masks == nullptr) return {};
  const auto edges = num_edges(offsets_[index + 1] - offsets_[index]);
  auto* const masks = kept_[index].masks.get();
  T* const numbers = kept_[index].numbers.get();
  return {masks, masks + edges * mask_words(hidden_), numbers, numbers + edges};
}

/// The forward pass of a jet, which keeps its edges.
template <typename T>
void FusedEdges<T>::forward_kept(std::int64_t index, const fused::PackedLayer<T>& layer,
                                 fused::JetForward<T> out) {
  const auto edges = num_edges(offsets_[index + 1] - offsets_[index]);
  const auto words = 2 * edges * mask_words(hidden_);
  auto& jet_kept = kept_[index];
  jet_kept.masks = std::make_unique_for_overwrite<std::uint64_t[]>(words);
  // How many numbers there are is known afterwards.
  fused::Buffer<FusedEdges, T> numbers(edges * (1 + hidden_) + fused::kRowPadding, fused::Unset{});
  auto* const masks = jet_kept.masks.get();
  out.kept = {masks, masks + words / 2, numbers.get(), numbers.get() + edges};
  const auto count = edges + engine_.forward(layer, norm_.as<T>(), jet(index, a_b_), out);
  jet_kept.numbers = std::make_unique_for_overwrite<T[]>(count + fused::kRowPadding);
  std::copy_n(numbers.get(), count, jet_kept.numbers.get());
  std::fill_n(jet_kept.numbers.get() + count, fused::kRowPadding, T{0});
  bytes_kept_ += words * 8 + count * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
std::vector<at::Tensor> FusedEdges<T>::forward(torch::nn::BatchNorm1dImpl& norm,
                                               const std::shared_ptr<const Communicator>& ranks,
                                               std::optional<std::int64_t> most_kept) {
  a_b_ = projection_.forward();
  norm_ = norm.is_training()
              ? batch_norm_of(norm, statistics(), static_cast<double>(num_edges_), ranks)
              : running_norm(norm);
  const auto options = arguments_[kU].options();
  const auto nodes = offsets_.back();
  const auto message = at::empty({nodes, hidden_}, options);
  at::Tensor translation;
  if (moves()) {
    translation = at::empty({nodes, 4}, options.dtype(at::kDouble));
    phi_ = at::empty({pairs_.back()}, options);
  }
  const PackedLayerTensor<T> packed(parameters(), options);
  const auto& layer = packed.get();
  const std::int64_t budget = most_kept.value_or(0);
  bytes_kept_ = static_cast<std::int64_t>(a_b_.nbytes());
  const bool keeps_nodes = bytes_kept_ <= budget;
  if (most_kept) kept_.resize(offsets_.size() - 1);
  schedule_.for_each_jet([&](std::int64_t index) {
    fused::JetForward<T> out{};
    const auto begin = offsets_[index];
    out.message = message.mutable_data_ptr<T>() + begin * hidden_;
    if (moves()) {
      out.translation = translation.mutable_data_ptr<double>() + begin * 4;
      out.phi = phi_.mutable_data_ptr<T>() + pairs_[index];
    }
    const auto most =
        num_edges(offsets_[index + 1] - begin) * hidden_ * static_cast<std::int64_t>(sizeof(T));
    if (bytes_kept_ < budget && most <= budget) return forward_kept(index, layer, out);
    engine_.forward(layer, norm_.as<T>(), jet(index, a_b_), out);
  });
  if (!keeps_nodes) a_b_ = at::Tensor();
  if (!most_kept) phi_ = at::Tensor();
  if (!moves()) return {message};
  return {message, translation};
}

/// Gradients of phi_e.0's columns u and v and of batch norm's parameters from sums over all edges:
///   d gamma = sum q zhat, d beta = sum q, zhat = (z - mean) / sigma,
///   du = scale (sum s q - sum(s) mean_q - slope sum s (z - mean)), dv likewise with t.
template <typename T>
struct FusedEdges<T>::NormGradients {
  NormGradients(const FusedNorm& norm, const fused::LayerParameters<T>& p,
                const fused::LayerGradients<T>& sums)
      : mean(p.hidden), slope(p.hidden) {
    const auto options = norm.scale.options();
    for (auto* tensor : {&u, &v, &gamma, &beta}) *tensor = at::empty({p.hidden}, options);
    const auto& [s, t, s2, t2, st] = *reinterpret_cast<const double(*)[5]>(sums.products);
    set_sums(norm, p, sums);
    for (int c = 0; c < p.hidden; ++c) {
      const double z_mean = norm.mean[c], uc = p.u[c], vc = p.v[c];
      const double s_z = sums.s_z[c] + uc * s2 + vc * st - z_mean * s;
      const double t_z = sums.t_z[c] + uc * st + vc * t2 - z_mean * t;
      const double scale = p.scale[c];
      set(u, c, scale * (sums.s_q[c] - s * mean[c] - slope[c] * s_z));
      set(v, c, scale * (sums.t_q[c] - t * mean[c] - slope[c] * t_z));
    }
  }
  /// Sets beta, gamma, and mean and slope, which are those of all ranks' edges.
  void set_sums(const FusedNorm& norm, const fused::LayerParameters<T>& p,
                const fused::LayerGradients<T>& sums) {
    const at::Tensor local = at::empty({2, p.hidden}, at::kDouble);  // sum q, sum q zhat
    double* const q = local.mutable_data_ptr<double>();
    double* const q_zhat = q + p.hidden;
    for (int c = 0; c < p.hidden; ++c) {
      q[c] = sums.norm_output[c];
      const double q_z = sums.norm_z[c] + p.u[c] * sums.s_q[c] + p.v[c] * sums.t_q[c];
      q_zhat[c] = (q_z - norm.mean[c] * q[c]) * norm.inverse_sigma[c];
      set(beta, c, q[c]);
      set(gamma, c, q_zhat[c]);
    }
    if (!norm.of_batch) return;
    const at::Tensor all = norm.over_ranks(local);
    const auto* const total = all.const_data_ptr<double>();
    for (int c = 0; c < p.hidden; ++c) {
      mean[c] = total[c] / norm.count;
      slope[c] = total[p.hidden + c] / norm.count * norm.inverse_sigma[c];
    }
  }
  static void set(at::Tensor& tensor, int c, double value) {
    tensor.mutable_data_ptr<T>()[c] = static_cast<T>(value);
  }

  std::vector<double> mean, slope;  ///< of fused::NormGradient; zero with frozen statistics
  at::Tensor u, v, gamma, beta;
};

template <typename T>
std::vector<at::Tensor> FusedEdges<T>::backward(const std::vector<at::Tensor>& gradients) const {
  const auto h = hidden_;
  const auto options = arguments_[kU].options();
  const auto arrays = backward_arrays(gradients);
  const auto a_b = a_b_.defined() ? a_b_ : projection_.forward();
  const std::int64_t width = fused::row_elements(static_cast<int>(h));
  auto rows = at::empty({schedule_.num_groups(), gradient_rows(h) * width}, options);
  auto sums = at::empty({schedule_.num_groups(), sum_elements(h)}, at::kDouble);
  const auto p = parameters();
  const PackedLayerTensor<T> packed(p, options);
  const auto& layer = packed.get();
  schedule_.for_each_group([&](std::int64_t group, const std::vector<std::int64_t>& jets) {
    const auto of_group = gradients_in(zero_row<T>(rows, group), zero_row<double>(sums, group), h);
    for (const auto index : jets) {
      engine_.backward_edges(p, layer, norm_.as<T>(), jet(index, a_b), arrays.of(*this, index),
                             of_group);
    }
  });
  rows = sum_in_order<T>(rows);
  sums = sum_in_order<double>(sums);
  const auto total = gradients_in(rows.mutable_data_ptr<T>(), sums.mutable_data_ptr<double>(), h);
  const NormGradients norm(norm_, p, total);
  const auto x_gradient = at::empty_like(arguments_[kX]);
  const auto a_b_gradient = at::empty_like(a_b);
  schedule_.for_each_jet([&](std::int64_t index) {
    const auto begin = offsets_[index];
    engine_.backward_nodes(
        p, {.mean = norm.mean.data(), .slope = norm.slope.data(), .z_mean = norm_.mean.data()},
        jet(index, a_b), arrays.of(*this, index),
        {.a_b = a_b_gradient.template mutable_data_ptr<T>() + 2 * h * begin,
         .x = x_gradient.template mutable_data_ptr<double>() + 4 * begin});
  });
  const auto project = projection_.backward({a_b_gradient});
  std::vector<at::Tensor> result{project[0], x_gradient, project[1], norm.u,
                                 norm.v,     norm.gamma, norm.beta};
  add_weight_gradients(rows.view({gradient_rows(h), width}).narrow(1, 0, h), result);
  return result;
}

/// Appends the gradients of the weights from kEdgeOut on.
/// \param rows  [gradient_rows(H), H] in gradients_in()'s order
template <typename T>
void FusedEdges<T>::add_weight_gradients(const at::Tensor& rows,
                                         std::vector<at::Tensor>& result) const {
  const auto h = hidden_;
  const auto row = [&](std::int64_t which) { return rows.narrow(0, 2 * h + which, 1); };
  result.push_back(rows.narrow(0, 0, h).contiguous());
  result.push_back(row(0).reshape({h}));
  result.push_back(row(1).contiguous());
  result.push_back(row(3).reshape({h}).narrow(0, 0, 1).clone());
  if (!moves()) return;
  // With D_kc = sum dphi [y_k > 0] m_c: d(move_in) = diag(move_out) D; y = move_in m + bias, hence
  // d(move_out)_k = sum dphi relu(y_k) = sum_c move_in_kc D_kc + bias_k sum dphi [y_k > 0].
  const auto type = rows.scalar_type();
  const auto sums = rows.narrow(0, h, h).t().to(at::kDouble);
  const auto positive = row(2).reshape({h}).to(at::kDouble);
  const auto weights = arguments_[kMoveOut].reshape({h}).to(at::kDouble);
  const auto move_out = (sums * arguments_[kMoveIn]).sum(1) + positive * arguments_[kMoveInBias];
  result.push_back((sums * weights.unsqueeze(1)).to(type).contiguous());
  result.push_back((positive * weights).to(type));
  result.push_back(move_out.to(type).view({1, h}));
}

template <typename T>
typename FusedEdges<T>::BackwardArrays FusedEdges<T>::backward_arrays(
    const std::vector<at::Tensor>& gradients) const {
  const auto options = arguments_[kU].options();
  const auto nodes = offsets_.back();
  BackwardArrays arrays;
  const auto defined = [&](std::size_t k, std::int64_t width, at::TensorOptions type) {
    return gradients[k].defined() ? gradients[k].contiguous() : at::zeros({nodes, width}, type);
  };
  arrays.message = defined(0, hidden_, options);
  if (moves()) arrays.translation = defined(1, 4, options.dtype(at::kDouble));
  arrays.receivers = at::empty({nodes, hidden_}, options);
  arrays.senders = at::empty({nodes, hidden_}, options);
  arrays.s = at::empty({pairs_.back()}, options);
  arrays.t = at::empty({pairs_.back()}, options);
  return arrays;
}

template <typename T>
fused::JetBackward<T> FusedEdges<T>::BackwardArrays::of(const FusedEdges& batch,
                                                        std::int64_t index) const {
  const auto begin = batch.offsets_[index], pairs = batch.pairs_[index];
  const auto rows = begin * batch.hidden_;
  fused::JetBackward<T> jet{};
  jet.message_gradient = message.const_data_ptr<T>() + rows;
  if (batch.moves()) {
    jet.translation_gradient = translation.const_data_ptr<double>() + 4 * begin;
    jet.phi = batch.phi_.template const_data_ptr<T>() + pairs;
  }
  jet.kept = batch.kept(index);
  jet.receivers = receivers.mutable_data_ptr<T>() + rows;
  jet.senders = senders.mutable_data_ptr<T>() + rows;
  jet.s = s.mutable_data_ptr<T>() + pairs;
  jet.t = t.mutable_data_ptr<T>() + pairs;
  return jet;
}

template class FusedEdges<float>;
template class FusedEdges<double>;

}  // namespace lorentznet
