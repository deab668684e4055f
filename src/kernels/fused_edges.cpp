#include "kernels/fused_edges.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/autograd.h>

#include <utility>

#include "engine/engine_choice.h"
#include "kernels/fused_autograd.h"
#include "kernels/fused_kernel.h"
#include "kernels/groups.h"

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

template <typename T>
std::vector<at::Tensor> run(const fused::Engine<T>& engine, const JetGraph& graph,
                            const std::vector<at::Tensor>& arguments,
                            torch::nn::BatchNorm1dImpl& norm, std::int64_t most_kept,
                            const std::shared_ptr<const Communicator>& ranks) {
  const auto forward = [&](FusedEdges<T>& batch, bool keep) {
    const bool training = norm.is_training();
    const auto statistics = batch.project(training);
    const auto edges = static_cast<double>(batch.num_edges());
    batch.set_norm(training ? batch_norm_of(norm, statistics, edges, ranks) : running_norm(norm));
    if (!keep) return batch.forward(Kept::kNothing);
    return batch.forward(batch.size_of_all() <= most_kept ? Kept::kAll : Kept::kLeast);
  };
  return run_part(std::make_unique<FusedEdges<T>>(engine, graph.offsets(), arguments), arguments,
                  forward);
}

}  // namespace

template <typename T>
FusedEdges<T>::FusedEdges(const fused::Engine<T>& engine, std::vector<std::int64_t> offsets,
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

template <typename T>
std::int64_t FusedEdges<T>::size_of_all() const {
  const auto nodes = 2 * hidden_ * offsets_.back(), edges = signs_.back();
  return nodes * static_cast<std::int64_t>(sizeof(T)) +
         edges * static_cast<std::int64_t>(sizeof(std::int32_t));
}

template <typename T>
at::Tensor FusedEdges<T>::project(bool with_statistics) {
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
void FusedEdges<T>::set_norm(FusedNorm norm) {
  norm_ = std::move(norm);
}

template <typename T>
std::vector<at::Tensor> FusedEdges<T>::forward(Kept kept) {
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

/// Gradients of phi_e.0's columns u and v, and of batch norm, out of sums over all edges:
///   d gamma = sum q zhat, d beta = sum q, zhat = (z - mean) / sigma,
///   du = scale (sum s q - sum(s) mean_q - slope sum s (z - mean)), dv alike with t.
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
  /// beta, gamma, and, of all ranks' edges, mean and slope.
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

  std::vector<double> mean, slope;  ///< of fused::NormGradient; zero where statistics are frozen
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
      engine_.backward_edges(p, layer, norm_.in<T>(), jet(index, a_b), arrays.of(*this, index),
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
  std::int64_t place = 0;
  const auto piece = [&](at::IntArrayRef shape) {
    const auto count = c10::multiply_integers(shape);
    return rows.narrow(0, std::exchange(place, place + count), count).view(shape);
  };
  const auto project = projection_.backward({a_b_gradient});
  std::vector<at::Tensor> result{project[0], x_gradient, project[1], norm.u,
                                 norm.v,     norm.gamma, norm.beta};
  const std::vector<std::vector<std::int64_t>> shapes{{h, h}, {h}, {1, h}, {1},
                                                      {h, h}, {h}, {1, h}};
  for (const auto& shape : shapes) {
    if (result.size() < arguments_.size()) result.push_back(piece(shape));
  }
  return result;
}

template <typename T>
typename FusedEdges<T>::BackwardArrays FusedEdges<T>::backward_arrays(
    const std::vector<at::Tensor>& gradients) const {
  const auto options = arguments_[kU].options();
  const auto constituents = offsets_.back();
  BackwardArrays arrays;
  const auto defined = [&](std::size_t k, std::int64_t width, at::TensorOptions type) {
    return gradients[k].defined() ? gradients[k].contiguous()
                                  : at::zeros({constituents, width}, type);
  };
  arrays.message = defined(0, hidden_, options);
  if (moves()) arrays.translation = defined(1, 4, options.dtype(at::kDouble));
  arrays.receivers = at::empty({constituents, hidden_}, options);
  arrays.senders = at::empty({constituents, hidden_}, options);
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

EdgeSums FusedEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  TORCH_CHECK(h.is_cpu() && x.scalar_type() == at::kDouble,
              "the fused kernel takes coordinates in double on the CPU, not ", x.toString());
  const auto& weight = parameters.edge_in->weight;
  const auto hidden = h.size(1);
  const auto both = at::cat({weight.narrow(1, 0, hidden), weight.narrow(1, hidden, hidden)});
  std::vector<at::Tensor> arguments{h,
                                    x,
                                    both,
                                    weight.select(1, 2 * hidden),
                                    weight.select(1, 2 * hidden + 1),
                                    parameters.edge_norm->weight,
                                    parameters.edge_norm->bias,
                                    parameters.edge_out->weight,
                                    parameters.edge_out->bias,
                                    parameters.gate->weight,
                                    parameters.gate->bias};
  if (!parameters.move_in.is_empty()) {
    arguments.insert(arguments.end(), {parameters.move_in->weight, parameters.move_in->bias,
                                       parameters.move_out->weight});
  }
  auto& norm = *parameters.edge_norm.ptr();
  const auto sums = h.scalar_type() == at::kDouble
                        ? run(engine_of<double>(isa_), graph, arguments, norm, most_kept_, ranks_)
                        : run(engine_of<float>(isa_), graph, arguments, norm, most_kept_, ranks_);
  return {.message = sums[0], .translation = sums.size() > 1 ? sums[1] : at::Tensor()};
}

}  // namespace lorentznet
