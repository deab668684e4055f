#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "device_array.h"
#include "engine/cuda/decoder_training.h"
#include "engine/cuda/edge_norm_backward.h"
#include "engine/cuda/node_backward.h"
#include "engine/cuda/node_training.h"
#include "engine/cuda/partial_sums.h"
#include "engine/cuda/weight_gradient.h"

namespace lorentznet::cuda {

/// The kernels of nodes in training, one after another, on drawn numbers: `jets` jets of kSize
/// nodes, of a layer that is not the last one.
template <typename Op, int H>
class NodeBench {
 public:
  using Clock = std::function<float(const std::function<void()>&)>;  ///< milliseconds of it

  NodeBench(int jets, int scalars, Clock clock)
      : jets_(jets), rows_(jets * kSize), scalars_(scalars), clock_(std::move(clock)) {
    std::vector<int> offsets{0}, first_pair;
    std::vector<int2> span;
    for (int jet = 0; jet < jets; ++jet) {
      span.insert(span.end(), kSize, int2{jet * kSize, (jet + 1) * kSize});
      first_pair.insert(first_pair.end(), kSize, jet * kSize * kSize);
      offsets.push_back(offsets.back() + kSize);
    }
    offsets_ = std::make_unique<DeviceArray<int>>(offsets);
    first_pair_ = std::make_unique<DeviceArray<int>>(first_pair);
    span_ = std::make_unique<DeviceArray<int2>>(span);
  }

  void run(const char* format) {
    std::printf("nodes in training, %s, batches of %d, milliseconds:\n", format, jets_);
    forward();
    backward();
    std::printf("  all %.4f\n", total_);
  }

 private:
  static constexpr int kSize = 50;
  using Pairs = std::vector<typename Op::Pair>;

  static std::vector<float> draw(int count) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) value = normal(random);
    return values;
  }
  float* floats(std::size_t size) {
    std::vector<float> values(size);
    for (std::size_t k = 0; k < size; ++k) values[k] = drawn_[k % drawn_.size()];
    return floats_.emplace_back(std::make_unique<DeviceArray<float>>(values))->get();
  }
  float* rows() { return floats(static_cast<std::size_t>(rows_) * H); }
  double* doubles(std::size_t size) {
    std::vector<double> values(size);
    for (std::size_t k = 0; k < size; ++k) values[k] = 1 + drawn_[k % drawn_.size()] / 8;
    return doubles_.emplace_back(std::make_unique<DeviceArray<double>>(values))->get();
  }
  /// Of `count` matrices; numbers near 0.01.
  const typename Op::Pair* matrices(int count) {
    const Pairs values(static_cast<std::size_t>(count) * kMatrixFragments<H>, Op::pack(.01F, .01F));
    return pairs_.emplace_back(std::make_unique<DeviceArray<typename Op::Pair>>(values))->get();
  }

  template <typename Kernel>
  void time(const char* name, unsigned grid, std::size_t shared,
            const typename Kernel::Params& params) {
    const float time = clock_([&] { prim::launch<Kernel>({}, grid, shared, params); });
    total_ += time;
    std::printf("  %-18s %.4f\n", name, time);
  }
  void time_sums(const char* name, const AddPartials::Params& params) {
    time<AddPartials>(name, params.blocks(), AddPartials::shared_bytes(), params);
  }

  void forward() {
    using Statistics = EdgeStatistics<H>;
    constexpr int kColumns = EdgeSumsLayout<H>::kColumns;
    time<Statistics>(
        "EdgeStatistics", jets_, Statistics::shared_bytes(),
        {offsets_->get(), x_, a_, b_, columns_, pairs_of_nodes_, sums(jets_, kColumns), {}, false});
    time<NodeHidden<Op, H>>("NodeHidden", blocks(), 0,
                            {rows_,
                             scalars_,
                             false,
                             0,
                             h_,
                             message_,
                             features_,
                             matrices(2),
                             floats(H),
                             floats(static_cast<std::size_t>(scalars_) * H),
                             z_,
                             sums(blocks(), 2 * H),
                             {},
                             false});
    time<NodeOutput<Op, H, false>>(
        "NodeOutput", blocks(), 0,
        {rows_,
         h_,
         z_,
         norm_.scale,
         norm_.shift,
         matrices(1),
         floats(H),
         rows(),
         {matrices(2), nullptr, rows(), rows()},
         {rows_, 1e-3, span_->get(), doubles(4UL * rows_), x_, doubles(4UL * rows_)}});
  }

  void backward() {
    time<NodeBackwardOut<Op, H, false>>("NodeBackwardOut", blocks(), 0,
                                        {rows_,
                                         false,
                                         rows(),
                                         {matrices(2), a_, b_},
                                         gradient_,
                                         z_,
                                         norm_,
                                         matrices(1),
                                         r_,
                                         sums(blocks(), 3 * H),
                                         floats(3 * H)});
    time<NodeBackwardIn<Op, H>>(
        "NodeBackwardIn", blocks(), 0,
        {rows_, false, 0, z_, norm_, doubles(2 * H), doubles(1), r_, matrices(2), gradient_, rows(),
         rows(), doubles(static_cast<std::size_t>(blocks()) * H)});
    double* const terms = doubles(EdgeNormTerms<H>::kSize);
    using Inputs = EdgeInputGradients<H>;
    const std::size_t pairs = static_cast<std::size_t>(rows_) * kSize;
    time<Inputs>("EdgeInputGradients", jets_, Inputs::shared_bytes(kSize),
                 {kSize,
                  offsets_->get(),
                  a_,
                  b_,
                  columns_,
                  norm_,
                  terms,
                  pairs_of_nodes_,
                  gradient_,
                  message_,
                  rows(),
                  rows(),
                  x_,
                  floats(pairs),
                  floats(pairs),
                  first_pair_->get(),
                  nullptr,
                  nullptr,
                  doubles(4UL * rows_),
                  1e-3,
                  doubles(4UL * rows_)});
    weights();
    decoder();
  }

  void decoder() {
    constexpr int kClasses = 2;
    const auto size = static_cast<std::size_t>(jets_) * H;
    const double* const n_nodes = doubles(jets_);
    float* const logits = floats(static_cast<std::size_t>(jets_) * kClasses);
    const float *const in = floats(H * H), *const out = floats(kClasses * H);
    const DecodedJets decoded{nullptr, 1, floats(size), floats(size)};
    using Forward = Pool<H, true>;
    time<Forward>("Pool", jets_, Forward::shared_bytes(),
                  {{kClasses, in, floats(H), out, floats(kClasses)},
                   offsets_->get(),
                   n_nodes,
                   h_,
                   logits,
                   decoded});
    const DeviceArray<std::int64_t> label(std::vector<std::int64_t>(jets_, 1));
    time<ScoreJets>("ScoreJets", 1, ScoreJets::shared_bytes(),
                    {jets_, kClasses, logits, label.get(), nullptr, doubles(2), floats(1),
                     floats(1), floats(static_cast<std::size_t>(jets_) * kClasses)});
    using Backward = DecodeBackward<H>;
    time<Backward>(
        "DecodeBackward", Backward::blocks(jets_, false), Backward::shared_bytes(),
        {jets_, kClasses, offsets_->get(), n_nodes, logits, in, out, decoded, floats(size),
         floats(static_cast<std::size_t>(jets_) * Backward::columns(kClasses)), rows()});
  }

  void weights() {
    using Kernel = WeightGradient<Op, H>;
    typename Kernel::Params params(rows_);
    AddPartials::Params sums;
    const auto add = [&](const float* gradient, const float* x, bool norm, int width, bool few) {
      float* const partial = floats(static_cast<std::size_t>(params.parts) * H * width);
      params.add({rows_, gradient, x, norm ? norm_.scale : nullptr, norm ? norm_.shift : nullptr,
                  width, few, partial});
      sums.add(
          {params.parts, H * width, nullptr, partial, nullptr, floats(H * width), width, width});
    };
    add(gradient_, z_, true, H, false);
    add(r_, h_, false, H, false);
    add(r_, message_, false, H, false);
    add(r_, features_, false, scalars_, true);
    add(a_, h_, false, H, false);
    add(b_, h_, false, H, false);
    time<Kernel>("WeightGradient", params.blocks(), 0, params);
    time_sums("its sums", sums);
  }

  /// Of a launch of `blocks`.
  BlockSums sums(unsigned blocks, int columns) {
    const int count = static_cast<int>(blocks);
    tickets_.push_back(
        std::make_unique<DeviceArray<unsigned>>(std::vector<unsigned>(block_tickets(count))));
    return {doubles(block_rows(count) * columns), tickets_.back()->get(), doubles(columns)};
  }
  unsigned blocks() const { return node_blocks(rows_); }

  int jets_, rows_, scalars_;
  Clock clock_;
  float total_ = 0;
  const std::vector<float> drawn_ = draw(4099);
  std::vector<std::unique_ptr<DeviceArray<float>>> floats_;
  std::vector<std::unique_ptr<DeviceArray<double>>> doubles_;
  std::vector<std::unique_ptr<DeviceArray<typename Op::Pair>>> pairs_;
  std::vector<std::unique_ptr<DeviceArray<unsigned>>> tickets_;
  std::unique_ptr<DeviceArray<int>> offsets_, first_pair_;
  std::unique_ptr<DeviceArray<int2>> span_;
  float *h_ = rows(), *a_ = rows(), *b_ = rows(), *z_ = rows(), *message_ = rows(),
        *gradient_ = rows(), *r_ = rows(),
        *features_ = floats(static_cast<std::size_t>(rows_) * scalars_);
  double *x_ = doubles(4UL * rows_),
         *pairs_of_nodes_ = doubles(static_cast<std::size_t>(kPairSums) * rows_);
  NormValues norm_{doubles(H), doubles(H), floats(H), floats(H)};
  const float* columns_of_ = floats(2 * H + 2UL * H * H);
  PairColumns columns_{columns_of_ + 2 * H, columns_of_ + 2 * H + 1, 2 * H + 2};
};

}  // namespace lorentznet::cuda
