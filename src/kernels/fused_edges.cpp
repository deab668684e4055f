#include "kernels/fused_edges.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <utility>

namespace lorentznet {
namespace {

/// Where each of `count` consecutive pieces of memory begins, and where the last ends: at multiples
/// of what the widest vector needs.
template <typename Size>
std::vector<std::int64_t> places(std::int64_t count, Size size) {
  constexpr std::int64_t kStep = 64;
  std::vector<std::int64_t> begin{0};
  for (std::int64_t k = 0; k < count; ++k) {
    begin.push_back((begin.back() + size(k) + kStep - 1) / kStep * kStep);
  }
  return begin;
}

/// One group's fused::LayerGradients in two rows of memory.
template <typename T>
fused::LayerGradients<T> gradients_in(T* at, double* sums, std::int64_t h) {
  const auto take = [&](std::int64_t count) { return std::exchange(at, at + count); };
  const auto take_sum = [&](std::int64_t count) { return std::exchange(sums, sums + count); };
  return {.edge_out = take(h * h),
          .edge_out_bias = take(h),
          .gate = take(h),
          .gate_bias = take(1),
          .move_in = take(h * h),
          .move_in_bias = take(h),
          .move_out = take(h),
          .norm_output = take_sum(h),
          .norm_z = take_sum(h),
          .s_q = take_sum(h),
          .t_q = take_sum(h),
          .s_z = take_sum(h),
          .t_z = take_sum(h),
          .products = take_sum(5)};
}
std::int64_t gradient_elements(std::int64_t h) { return 2 * h * h + 4 * h + 1; }
std::int64_t sum_elements(std::int64_t h) { return 6 * h + 5; }

/// The parameters of a layer's edge part in an engine's order, and their memory.
template <typename T>
class PackedLayerTensor {
 public:
  PackedLayerTensor(const fused::Engine<T>& engine, const fused::LayerParameters<T>& parameters,
                    at::TensorOptions options)
      : memory_(at::empty({4L * parameters.hidden * parameters.hidden + 6L * parameters.hidden},
                          options)) {
    T* at = memory_.mutable_data_ptr<T>();
    const auto take = [&](std::int64_t count) { return std::exchange(at, at + count); };
    const std::int64_t h = parameters.hidden;
    layer_ = {.hidden = parameters.hidden,
              .moves = parameters.move_in != nullptr,
              .gate_bias = 0,
              .u = take(h),
              .v = take(h),
              .edge_out_bias = take(h),
              .gate = take(h),
              .move_in_bias = take(h),
              .move_out = take(h),
              .edge_out = take(h * h),
              .edge_out_transposed = take(h * h),
              .move_in = take(h * h),
              .move_in_transposed = take(h * h)};
    engine.pack(parameters, layer_);
  }

  const fused::PackedLayer<T>& get() const { return layer_; }

 private:
  at::Tensor memory_;
  fused::PackedLayer<T> layer_{};
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
                  /*wants_rows=*/true) {
  const auto jets = graph.num_jets();
  const auto n = [&](std::int64_t k) { return static_cast<int>(offsets_[k + 1] - offsets_[k]); };
  const auto hidden = static_cast<int>(hidden_);
  pairs_ = places(jets, [&](auto k) { return engine_.pairs(n(k)); });
  signs_ = places(jets, [&](auto k) { return engine_.signs(n(k), hidden); });
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

/// Bytes of what the backward pass could compute again: the projections and phi_x.0's signs.
template <typename T>
std::int64_t FusedEdges<T>::bytes_of_all() const {
  const auto nodes = 2 * hidden_ * offsets_.back(), edges = signs_.back();
  return nodes * static_cast<std::int64_t>(sizeof(T)) +
         edges * static_cast<std::int64_t>(sizeof(std::int32_t));
}

template <typename T>
std::vector<at::Tensor> FusedEdges<T>::forward(torch::nn::BatchNorm1dImpl& norm,
                                               const std::shared_ptr<const Communicator>& ranks,
                                               std::optional<std::int64_t> most_kept) {
  a_b_ = projection_.forward();
  norm_ = norm.is_training()
              ? batch_norm_of(norm, statistics(), static_cast<double>(num_edges_), ranks)
              : running_norm(norm);
  const bool keep_all = most_kept && bytes_of_all() <= *most_kept;
  const auto options = arguments_[kU].options();
  const auto nodes = offsets_.back();
  const auto message = at::empty({nodes, hidden_}, options);
  at::Tensor translation;
  if (moves()) {
    translation = at::empty({nodes, 4}, options.dtype(at::kDouble));
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
    engine_.forward(layer, norm_.as<T>(), jet(index, a_b_), out);
  });
  if (!keep_all) a_b_ = at::Tensor();
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
  auto rows = at::empty({schedule_.num_groups(), gradient_elements(h)}, options);
  auto sums = at::empty({schedule_.num_groups(), sum_elements(h)}, at::kDouble);
  const auto p = parameters();
  const PackedLayerTensor<T> packed(engine_, p, options);
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
  std::int64_t place = 0;  // of the others, in gradients_in()'s order
  const std::vector<std::int64_t> shapes[]{{h, h}, {h}, {1, h}, {1}, {h, h}, {h}, {1, h}};
  for (const auto& shape : shapes) {
    const auto count = c10::multiply_integers(shape);
    if (result.size() == arguments_.size()) break;  // a last layer has no phi_x
    result.push_back(rows.narrow(0, std::exchange(place, place + count), count).view(shape));
  }
  return result;
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
    if (batch.kept_signs_.defined()) {
      jet.signs = batch.kept_signs_.template const_data_ptr<std::int32_t>() + batch.signs_[index];
    }
  }
  jet.receivers = receivers.mutable_data_ptr<T>() + rows;
  jet.senders = senders.mutable_data_ptr<T>() + rows;
  jet.s = s.mutable_data_ptr<T>() + pairs;
  jet.t = t.mutable_data_ptr<T>() + pairs;
  return jet;
}

template class FusedEdges<float>;
template class FusedEdges<double>;

}  // namespace lorentznet
