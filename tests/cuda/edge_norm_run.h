#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <optional>

#include "device_array.h"
#include "edge_loss.h"
#include "engine/cuda/edge_reduction.h"

namespace lorentznet::cuda {

/// What the kernels write.
struct EdgeNormOutput {
  std::vector<double> statistics, pairs, terms;
  std::vector<float> gamma, beta, weight, a, b;  ///< gradients
  std::vector<double> x, translation;            ///< the same
};

/// NaN is the same as itself.
inline bool same_bits(const std::vector<float>& one, const std::vector<float>& other) {
  return std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

template <int H>
class EdgeNormRun {
 public:
  /// \param count  edges in the statistics; without: the batch's. 0: those are not the batch's
  explicit EdgeNormRun(const EdgeLoss& loss, std::optional<double> count = {})
      : loss_(loss),
        count_(count),
        a_(loss.a),
        b_(loss.b),
        weight_(loss.weight),
        offsets_(loss.offsets),
        x_(loss.x),
        statistics_(EdgeSumsLayout<H>::kColumns),
        pairs_(static_cast<std::size_t>(loss.nodes) * kPairSums) {}

  /// \param given, direct  [P, 4] the other gradients of x; empty: none
  EdgeNormOutput run(const std::vector<double>& given, const std::vector<double>& direct) {
    statistics();
    backward(given, direct);
    return std::move(of_);
  }

 private:
  int jets() const { return static_cast<int>(loss_.offsets.size()) - 1; }
  PairColumns columns() const {
    return {weight_.get() + 2 * H, weight_.get() + 2 * H + 1, loss_.step()};
  }

  void statistics() {
    using Kernel = EdgeStatistics<H>;
    using Layout = EdgeSumsLayout<H>;
    DeviceArray<double> partial(block_rows(jets()) * Layout::kColumns);
    DeviceArray<unsigned> tickets(std::vector<unsigned>(block_tickets(jets())));
    prim::launch<Kernel>({}, jets(), Kernel::shared_bytes(),
                         {offsets_.get(),
                          x_.get(),
                          a_.get(),
                          b_.get(),
                          columns(),
                          pairs_.get(),
                          {partial.get(), tickets.get(), statistics_.get()},
                          {},
                          /*alone=*/false});
    of_.statistics = statistics_.download();
    of_.pairs = pairs_.download();
  }

  void backward(const std::vector<double>& given, const std::vector<double>& direct) {
    const EdgeSumsOfLoss of_edges(loss_);
    std::vector<float> scale_of, shift_of(H);
    for (int c = 0; c < H; ++c) scale_of.push_back(loss_.gamma[c] * loss_.inverse_sigma[c]);
    const DeviceArray<float> scale(scale_of), shift(shift_of);
    const DeviceArray<double> mean(loss_.mean), inverse_sigma(loss_.inverse_sigma);
    const NormValues norm{mean.get(), inverse_sigma.get(), scale.get(), shift.get()};
    DeviceArray<float> receivers(of_edges.receivers), senders(of_edges.senders);

    DeviceArray<double> sums(4 * H), terms(EdgeNormTerms<H>::kSize);
    auto local = of_.statistics;
    if (count_) local[EdgeSumsLayout<H>::kCount] = *count_;
    const DeviceArray<double> statistics(local);
    DeviceArray<float> gamma(H), beta(H), weight(loss_.weight);
    const typename EdgeNormGradients<H>::Params gradients{statistics.get(),
                                                          sums.get(),
                                                          sums.get(),
                                                          norm,
                                                          columns(),
                                                          gamma.get(),
                                                          beta.get(),
                                                          weight.get() + 2 * H,
                                                          weight.get() + 2 * H + 1,
                                                          terms.get()};
    // With a count, as with several ranks: in a launch of its own.
    reduce(of_edges, receivers, senders, sums, gradients);
    if (count_) {
      prim::launch<EdgeNormGradients<H>>({}, 1, EdgeNormGradients<H>::shared_bytes(), gradients);
    }
    of_.gamma = gamma.download();
    of_.beta = beta.download();
    of_.weight = weight.download();
    of_.terms = terms.download();
    inputs(given, direct, norm, terms.get(), of_edges, receivers, senders);
  }

  /// From what EdgeBackward would give: the first tile of receivers has a sender's sum, and two
  /// parts have the sums of pairs, the second one what float leaves of them.
  void reduce(const EdgeSumsOfLoss& of_edges, const DeviceArray<float>& receivers,
              DeviceArray<float>& senders, DeviceArray<double>& sums,
              const typename EdgeNormGradients<H>::Params& norm) {
    using Kernel = EdgeReduction<H, false>;
    using Places = EdgeSumPlaces<H>;
    const int nodes = loss_.nodes, blocks = Kernel::Columns::blocks(nodes);
    std::vector<int2> span_of(nodes);
    std::vector<float> columns_of(column_rows(static_cast<long>(of_edges.s.size()), nodes) * H),
        parts(2 * Places::kEnd);
    for (int jet = 0; jet < jets(); ++jet) {
      for (int i = loss_.offsets[jet]; i < loss_.offsets[jet + 1]; ++i) {
        span_of[i] = {loss_.offsets[jet], loss_.offsets[jet + 1]};
        const long row = first_column_row(loss_.first_pair[i], span_of[i].x) + i - span_of[i].x;
        std::copy_n(of_edges.senders.begin() + static_cast<long>(i) * H, H,
                    columns_of.begin() + row * H);
      }
    }
    for (int c = 0; c < 2 * H; ++c) {
      const double sum = (c < H ? of_edges.with_s[c] : of_edges.with_t[c - H]) / kLn2;
      parts[Places::kRows + c] = static_cast<float>(sum);
      parts[Places::kEnd + Places::kRows + c] = static_cast<float>(sum - parts[Places::kRows + c]);
    }
    const DeviceArray<int2> span(span_of);
    const DeviceArray<int> first_pair(loss_.first_pair);
    const DeviceArray<float> of_columns(columns_of), partial(parts);
    DeviceArray<double> of_nodes(block_rows(blocks) * 2 * H), x(4UL * nodes);
    const auto tickets_of = block_tickets(blocks) + 1;
    DeviceArray<unsigned> tickets(std::vector<unsigned>(tickets_of, 0U));
    DeviceArray<float> edge_out(H * H), bias(H), gate(H), gate_bias(1);
    prim::launch<Kernel>({}, Kernel::blocks(nodes), Kernel::shared_bytes(),
                         {.columns = {.nodes = nodes,
                                      .span = span.get(),
                                      .kept = {first_pair.get(), nullptr, nullptr},
                                      .a = a_.get(),
                                      .b = b_.get(),
                                      .q_row = receivers.get(),
                                      .columns = of_columns.get(),
                                      .x = x_.get(),
                                      .translation_gradient = nullptr,
                                      .q_column = senders.get(),
                                      .x_gradient = x.get(),
                                      .sums = {of_nodes.get(), tickets.get(), sums.get()}},
                          .gradients = {.parts = 2,
                                        .partial = partial.get(),
                                        .move_in = nullptr,
                                        .move_in_bias = nullptr,
                                        .move_out = nullptr,
                                        .s_q = sums.get() + 2 * H,
                                        .t_q = sums.get() + 3 * H,
                                        .edge_out = edge_out.get(),
                                        .edge_out_bias = bias.get(),
                                        .gate = gate.get(),
                                        .gate_bias = gate_bias.get(),
                                        .move_in_gradient = nullptr,
                                        .move_in_bias_gradient = nullptr,
                                        .move_out_gradient = nullptr},
                          .norm = norm,
                          .alone = !count_,
                          .ticket = tickets.get() + block_tickets(blocks)});
    CHECK(tickets.download() == std::vector<unsigned>(tickets_of));
    CHECK(same_bits(senders.download(), of_edges.senders));
  }

  void inputs(const std::vector<double>& given, const std::vector<double>& direct,
              const NormValues& norm, const double* terms, const EdgeSumsOfLoss& of_edges,
              DeviceArray<float>& receivers, DeviceArray<float>& senders) {
    const DeviceArray<float> s(of_edges.s), t(of_edges.t);
    const DeviceArray<int> first_pair(loss_.first_pair);
    const DeviceArray<double> of_given(given), of_direct(direct);
    DeviceArray<double> x(loss_.x.size()), translation(loss_.x.size());
    int most = 0;
    for (int jet = 0; jet < jets(); ++jet) {
      most = std::max(most, loss_.offsets[jet + 1] - loss_.offsets[jet]);
    }
    using Kernel = EdgeInputGradients<H>;
    const auto launch = [&](double* to, float* a, float* b) {
      prim::launch<Kernel>({}, jets(), Kernel::shared_bytes(most),
                           {most,
                            offsets_.get(),
                            a_.get(),
                            b_.get(),
                            columns(),
                            norm,
                            terms,
                            pairs_.get(),
                            receivers.get(),
                            senders.get(),
                            a,
                            b,
                            x_.get(),
                            s.get(),
                            t.get(),
                            first_pair.get(),
                            given.empty() ? nullptr : of_given.get(),
                            direct.empty() ? nullptr : of_direct.get(),
                            to,
                            kWeight,
                            translation.get()});
    };
    DeviceArray<float> a(loss_.a.size()), b(loss_.a.size());
    launch(nullptr, a.get(), b.get());  // as in the first layer
    launch(x.get(), a_.get(), b_.get());
    of_.a = a_.download();
    of_.b = b_.download();
    CHECK(same_bits(a.download(), of_.a));
    CHECK(same_bits(b.download(), of_.b));
    of_.x = x.download();
    of_.translation = translation.download();
  }

  const EdgeLoss& loss_;
  std::optional<double> count_;
  DeviceArray<float> a_, b_, weight_;
  DeviceArray<int> offsets_;
  DeviceArray<double> x_, statistics_, pairs_;
  EdgeNormOutput of_;
};

}  // namespace lorentznet::cuda
