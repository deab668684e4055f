#pragma once

#include <optional>

#include "device_array.h"
#include "engine/cuda/node_backward.h"
#include "engine/cuda/pack_nodes.h"
#include "engine/cuda/partial_sums.h"
#include "engine/cuda/weight_gradient.h"
#include "node_loss.h"

namespace lorentznet::cuda {

/// What the kernels of the backward pass write.
struct NodeGradients {
  std::vector<float> gradient, r, dz, h, message;
  std::vector<double> sums;           ///< r, r zhat, dL/dh'
  std::vector<float> norm_gradients;  ///< the same
  std::vector<unsigned> tickets;
  std::vector<float> embedding;  ///< dL/dh' by EncodeBackward
  std::vector<double> embedding_bias;
  std::vector<float> embedding_bias_gradient;  ///< the same
  std::vector<float> out, out_bias, in, in_bias, gamma, beta, receivers, senders;
  // What they were given of the forward pass.
  std::vector<float> z, scale, shift, next_h;
};

template <typename Op, int H>
class BackwardRun {
 public:
  /// \param last   of a network: dL/dh' is given
  /// \param count  rows in the statistics; 0: those are not the batch's
  BackwardRun(const NodeLoss& loss, bool last, std::optional<double> count = {})
      : loss_(loss), last_(last), count_(count.value_or(loss.count())) {}

  NodeGradients run() {
    of_.z = as_floats(loss_.z);
    of_.next_h = as_floats(loss_.next_h);
    for (int c = 0; c < H; ++c) {
      const double scale = loss_.weights.norm.weight[c] * loss_.inverse_sigma[c];
      of_.scale.push_back(scale);
      of_.shift.push_back(loss_.weights.norm.bias[c] - loss_.mean[c] * scale);
    }
    const DeviceArray<float> z(of_.z), scale(of_.scale), shift(of_.shift);
    const DeviceArray<double> mean(loss_.mean), inverse_sigma(loss_.inverse_sigma);
    norm_ = {mean.get(), inverse_sigma.get(), scale.get(), shift.get()};
    z_ = z.get();
    DeviceArray<float> gradient(loss_.of_h), r(loss_.of_h.size());
    DeviceArray<double> sums(3 * H);
    out(gradient, r, sums);
    of_.gradient = gradient.download();
    of_.r = r.download();
    of_.sums = sums.download();
    in(gradient, r, sums);
    of_.dz = r.download();
    if (!last_) weight_gradients(r.get());
    return of_;
  }

 private:
  static int blocks(int rows) { return static_cast<int>(node_blocks(rows)); }
  static void append(const Linear& layer, WeightOrder order, std::vector<typename Op::Pair>& to) {
    append_fragments<Op, H>(order, layer.weight.data(), layer.inputs, 0, to);
  }

  void out(DeviceArray<float>& gradient, DeviceArray<float>& r, DeviceArray<double>& sums) {
    std::vector<typename Op::Pair> packed;
    append(transposed(loss_.weights.receivers, 0, H), WeightOrder::kByPositions, packed);
    append(transposed(loss_.weights.senders, 0, H), WeightOrder::kByPositions, packed);
    append(transposed(loss_.weights.out, 0, H), WeightOrder::kByColumns, packed);
    const DeviceArray<typename Op::Pair> weights(packed);
    const DeviceArray<float> a(loss_.of_a), b(loss_.of_b);
    const int parts = blocks(loss_.rows);
    DeviceArray<double> partial(block_rows(parts) * 3 * H);
    DeviceArray<unsigned> tickets(std::vector<unsigned>(block_tickets(parts)));
    DeviceArray<float> gradients(3 * H);
    const auto launch = [&]<bool kLast>(std::bool_constant<kLast>) {
      prim::launch<NodeBackwardOut<Op, H, kLast>>({}, parts, 0,
                                                  {loss_.rows,
                                                   loss_.ghost,
                                                   gradient.get(),
                                                   {weights.get(), a.get(), b.get()},
                                                   gradient.get(),
                                                   z_,
                                                   norm_,
                                                   weights.get() + 2 * kMatrixFragments<H>,
                                                   r.get(),
                                                   {partial.get(), tickets.get(), sums.get()},
                                                   gradients.get()});
    };
    if (!last_) embedding(weights.get(), a, b);
    last_ ? launch(std::true_type{}) : launch(std::false_type{});
    of_.tickets = tickets.download();
    of_.norm_gradients = gradients.download();
  }

  /// As if there were no layer before: the gradient alone.
  void embedding(const typename Op::Pair* weights, const DeviceArray<float>& a,
                 const DeviceArray<float>& b) {
    const int parts = blocks(loss_.rows);
    const DeviceArray<float> given(loss_.of_h);
    DeviceArray<float> gradient(loss_.of_h.size());
    DeviceArray<double> partial(block_rows(parts) * H), sums(H);
    DeviceArray<unsigned> tickets(std::vector<unsigned>(block_tickets(parts)));
    DeviceArray<float> bias(H);
    prim::launch<EncodeBackward<Op, H>>({}, parts, 0,
                                        {loss_.rows,
                                         loss_.ghost,
                                         given.get(),
                                         {weights, a.get(), b.get()},
                                         gradient.get(),
                                         {partial.get(), tickets.get(), sums.get()},
                                         bias.get()});
    of_.embedding = gradient.download();
    of_.embedding_bias = sums.download();
    of_.embedding_bias_gradient = bias.download();
  }

  void in(const DeviceArray<float>& gradient, DeviceArray<float>& r,
          const DeviceArray<double>& sums) {
    std::vector<typename Op::Pair> packed;
    append(transposed(loss_.weights.in, 0, H), WeightOrder::kByColumns, packed);
    append(transposed(loss_.weights.in, H, H), WeightOrder::kByColumns, packed);
    const DeviceArray<typename Op::Pair> weights(packed);
    const DeviceArray<double> count(std::vector<double>{count_});
    const int parts = blocks(loss_.rows);
    DeviceArray<double> partial(static_cast<std::size_t>(parts) * H);
    DeviceArray<float> h(loss_.of_h.size()), message(loss_.batch.message.size()), bias(H);
    prim::launch<NodeBackwardIn<Op, H>>(
        {}, parts, 0,
        {loss_.rows, loss_.ghost, kGhostWeight, z_, norm_, sums.get(), count.get(), r.get(),
         weights.get(), gradient.get(), h.get(), message.get(), partial.get()});
    AddPartials::Params add;
    add.add({parts, H, partial.get(), nullptr, nullptr, bias.get(), H, H});
    prim::launch<AddPartials>({}, add.blocks(), AddPartials::shared_bytes(), add);
    of_.h = h.download();
    of_.message = message.download();
    of_.in_bias = bias.download();
  }

  void weight_gradients(const float* dz) {
    const int scalars = loss_.batch.scalars, inputs = 2 * H + scalars;
    const DeviceArray<float> h(loss_.batch.h), message(loss_.batch.message),
        features(loss_.batch.features), next_h(of_.next_h), gradient(of_.gradient), a(loss_.of_a),
        b(loss_.of_b);
    using Kernel = WeightGradient<Op, H>;
    typename Kernel::Params params(loss_.rows);
    const auto parts = static_cast<std::size_t>(params.parts);
    DeviceArray<float> partial(parts * H * (5 * H + scalars));
    DeviceArray<float> out(H * H), in(H * inputs), receivers(H * H), senders(H * H);
    AddPartials::Params add;
    float* at = partial.get();
    const auto product = [&](WeightProduct of, float* to, int stride) {
      of.partial = at;
      params.add(of);
      add.add({params.parts, H * of.width, nullptr, at, nullptr, to, of.width, stride});
      at += parts * H * of.width;
    };
    const int rows = loss_.rows, nodes = loss_.nodes;
    product({rows, gradient.get(), z_, norm_.scale, norm_.shift, H, false, {}}, out.get(), H);
    product({rows, dz, h.get(), {}, {}, H, false, {}}, in.get(), inputs);
    product({nodes, dz, message.get(), {}, {}, H, false, {}}, in.get() + H, inputs);
    product({rows, dz, features.get(), {}, {}, scalars, true, {}}, in.get() + 2 * H, inputs);
    product({nodes, a.get(), next_h.get(), {}, {}, H, false, {}}, receivers.get(), H);
    product({nodes, b.get(), next_h.get(), {}, {}, H, false, {}}, senders.get(), H);
    prim::launch<Kernel>({}, params.blocks(), 0, params);
    prim::launch<AddPartials>({}, add.blocks(), AddPartials::shared_bytes(), add);
    of_.out = out.download();
    of_.in = in.download();
    of_.receivers = receivers.download();
    of_.senders = senders.download();
  }

  const NodeLoss& loss_;
  bool last_;
  double count_;
  NodeGradients of_;
  NormValues norm_{};
  const float* z_ = nullptr;
};

}  // namespace lorentznet::cuda
