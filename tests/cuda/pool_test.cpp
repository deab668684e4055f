#include <catch2/catch.hpp>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/decoder_training.h"
#include "engine/cuda/pack_nodes.h"
#include "node_loss.h"
#include "row_checks.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

struct Decoder {
  int hidden, classes;
  std::mt19937 random{6};
  Linear in{hidden, hidden, 0, random};
  Linear out{hidden, classes, 0, random};
  Decoder(int h, int c) : hidden(h), classes(c) {}
};

template <int H>
std::vector<float> logits_of(const Decoder& decoder, const NodeBatch& batch) {
  const DeviceArray<int> offsets(batch.offsets);
  const DeviceArray<float> h(batch.h), n_nodes(batch.n_nodes);
  const DeviceArray<float> weights(pack_decoder<H>(decoder.in.weight.data(), decoder.in.bias.data(),
                                                   decoder.out.weight.data(),
                                                   decoder.out.bias.data(), decoder.classes));
  DeviceArray<float> logits(static_cast<std::size_t>(batch.jets()) * decoder.classes);
  using Kernel = Pool<H, false>;
  prim::launch<Kernel>({}, batch.jets(), Kernel::shared_bytes(),
                       {decoder_weights<H>(weights.get(), decoder.classes),
                        offsets.get(),
                        n_nodes.get(),
                        h.get(),
                        logits.get(),
                        {}});
  return logits.download();
}

/// In double, with bounds on the errors of float sums.
Bounded reference_pooled(const NodeBatch& batch) {
  Bounded pooled(batch.jets(), batch.hidden);
  for (int jet = 0; jet < batch.jets(); ++jet) {
    const int first = batch.offsets[jet], end = batch.offsets[jet + 1];
    for (int c = 0; c < batch.hidden; ++c) {
      double sum = 0, size = 0;
      for (int i = first; i < end; ++i) {
        sum += batch.h[i * batch.hidden + c];
        size += std::abs(batch.h[i * batch.hidden + c]);
      }
      pooled.value[jet * batch.hidden + c] = sum / batch.n_nodes[jet];
      pooled.error[jet * batch.hidden + c] =
          (end - first + 1) * 0x1p-24 * size / batch.n_nodes[jet];
    }
  }
  return pooled;
}

Bounded reference_logits(const Decoder& decoder, const NodeBatch& batch) {
  Bounded decoded = begin_with_bias(decoder.in, batch.jets());
  add_product(decoder.in, 0, reference_pooled(batch), nullptr, decoded);
  relu_rows(decoded);
  Bounded logits = begin_with_bias(decoder.out, batch.jets());
  add_product(decoder.out, 0, decoded, nullptr, logits);
  return logits;
}

template <int H>
void check_pool() {
  for (const int classes : {1, 2, 5, 10}) {
    INFO("H " << H << ", " << classes << " classes");
    const Decoder decoder(H, classes);
    const NodeBatch batch({1, 2, 3, 15, 16, 17, 31, 33, 64, 199, 200}, 1, H);
    const Bounded want = reference_logits(decoder, batch);
    const auto got = logits_of<H>(decoder, batch);
    for (std::size_t k = 0; k < got.size(); ++k) {
      CHECK(std::abs(got[k] - want.value[k]) <= std::min(want.error[k], 2e-6));
    }
  }
}

/// Numbers of [rows, width] in double.
std::vector<double> random_doubles(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

/// The decoder of a batch on the device, forward and backward.
template <int H>
struct DecoderRun {
  std::vector<float> logits, pooled, hidden, of_hidden, partial, of_h;

  /// \param kept      [J, H]; empty: no dropout
  /// \param gradient  [J, classes] dL/dlogits
  DecoderRun(const Decoder& decoder, const NodeBatch& batch, bool ghost,
             const std::vector<float>& kept, float scale, const std::vector<float>& gradient) {
    const int jets = batch.jets(), classes = decoder.classes;
    const auto size = static_cast<std::size_t>(jets) * H;
    std::vector<float> transposed;
    append_transposed(decoder.in.weight.data(), H, H, 0, H, transposed);
    const DeviceArray<int> offsets(batch.offsets);
    const DeviceArray<float> h(batch.h), in(decoder.in.weight), in_transposed(transposed),
        in_bias(decoder.in.bias), out(decoder.out.weight), out_bias(decoder.out.bias), drawn(kept),
        given(gradient);
    const DeviceArray<double> n_nodes(
        std::vector<double>(batch.n_nodes.begin(), batch.n_nodes.end()));
    DeviceArray<float> of_jets(size), after_dropout(size), to(gradient.size());
    const DecodedJets decoded{kept.empty() ? nullptr : drawn.get(), scale, of_jets.get(),
                              after_dropout.get()};
    using Forward = Pool<H, true>;
    prim::launch<Forward>({}, jets, Forward::shared_bytes(),
                          {{classes, in_transposed.get(), in_bias.get(), out.get(), out_bias.get()},
                           offsets.get(),
                           n_nodes.get(),
                           h.get(),
                           to.get(),
                           decoded});
    using Backward = DecodeBackward<H>;
    DeviceArray<float> hidden_gradient(size), h_gradient(batch.h.size() + (ghost ? H : 0)),
        parts(static_cast<std::size_t>(jets) * Backward::columns(classes));
    prim::launch<Backward>(
        {}, Backward::blocks(jets, ghost), Backward::shared_bytes(),
        {jets, classes, offsets.get(), n_nodes.get(), given.get(), in.get(), out.get(), decoded,
         hidden_gradient.get(), parts.get(), h_gradient.get()});
    logits = to.download();
    pooled = of_jets.download();
    hidden = after_dropout.download();
    of_hidden = hidden_gradient.download();
    partial = parts.download();
    of_h = h_gradient.download();
  }
};

/// Every step against double, from what the step before it gave.
template <int H>
void check_decoder(int classes, bool ghost, bool dropout) {
  INFO("H " << H << ", " << classes << " classes" << (ghost ? ", with a ghost" : "")
            << (dropout ? ", with dropout" : ""));
  const Decoder decoder(H, classes);
  const NodeBatch batch({1, 2, 3, 15, 16, 17, 31, 33, 64, 199, 200}, 1, H);
  const auto jets = static_cast<std::size_t>(batch.jets());
  const auto drawn = random_doubles(jets * H, 4), given = random_doubles(jets * classes, 5);
  std::vector<float> kept;
  for (const double number : drawn) kept.push_back(number > -.5 ? 1 : 0);
  const float scale = dropout ? 1.25F : 1;
  if (!dropout) kept.clear();
  const std::vector<float> gradient(given.begin(), given.end());
  const DecoderRun<H> got(decoder, batch, ghost, kept, scale, gradient);
  check_rows(got.pooled, reference_pooled(batch), 1e-6);
  Bounded hidden = begin_with_bias(decoder.in, batch.jets());
  add_product(decoder.in, 0, reference_pooled(batch), nullptr, hidden);
  relu_rows(hidden);
  for (std::size_t k = 0; k < hidden.value.size(); ++k) {
    const double times = scale * (dropout ? kept[k] : 1);
    hidden.value[k] *= times;
    hidden.error[k] = times * hidden.error[k] + 0x1p-23 * std::abs(hidden.value[k]);
  }
  check_rows(got.hidden, hidden, 2e-6);
  Bounded logits = begin_with_bias(decoder.out, batch.jets());
  add_product(decoder.out, 0, hidden, nullptr, logits);
  check_rows(got.logits, logits, 3e-6);

  Bounded of_hidden(batch.jets(), H);
  add_product(transposed(decoder.out, 0, H), 0, Bounded(gradient, classes), nullptr, of_hidden);
  for (std::size_t k = 0; k < of_hidden.value.size(); ++k) {
    const double times = got.hidden[k] > 0 ? scale : 0;
    of_hidden.value[k] *= times;
    of_hidden.error[k] = times * of_hidden.error[k] + 0x1p-23 * std::abs(of_hidden.value[k]);
  }
  check_rows(got.of_hidden, of_hidden, 2e-6);
  const std::size_t columns = DecodeBackward<H>::columns(classes);
  for (std::size_t jet = 0; jet < jets; ++jet) {
    const float* const row = got.partial.data() + jet * columns;
    const float* const of_jet = gradient.data() + jet * classes;
    for (int k = 0; k < classes; ++k) {
      CHECK(row[classes * H + k] == of_jet[k]);
      for (int c = 0; c < H; ++c) CHECK(row[k * H + c] == of_jet[k] * got.hidden[jet * H + c]);
    }
    for (int c = 0; c < H; ++c) CHECK(row[classes * (H + 1) + c] == got.of_hidden[jet * H + c]);
  }
  Bounded of_pooled(batch.jets(), H);
  add_product(transposed(decoder.in, 0, H), 0, Bounded(got.of_hidden, H), nullptr, of_pooled);
  Bounded of_h(batch.nodes + ghost, H);
  for (std::size_t jet = 0; jet < jets; ++jet) {
    for (int k = batch.offsets[jet] * H; k < batch.offsets[jet + 1] * H; ++k) {
      const double each = of_pooled.value[jet * H + k % H] / batch.n_nodes[jet];
      of_h.value[k] = each;
      of_h.error[k] =
          of_pooled.error[jet * H + k % H] / batch.n_nodes[jet] + 0x1p-23 * std::abs(each);
    }
  }
  check_rows(got.of_h, of_h, 2e-6);
}

/// Of logits whose largest one is the label's in every third jet.
void check_scores(int jets, int classes, bool weighted) {
  INFO(jets << " jets, " << classes << " classes" << (weighted ? ", weighted" : ""));
  const auto drawn = random_doubles(static_cast<std::size_t>(jets) * classes, 7);
  std::vector<float> values(drawn.begin(), drawn.end());
  std::vector<std::int64_t> labels;
  std::vector<double> weights;
  for (int jet = 0; jet < jets; ++jet) {
    labels.push_back(jet * 7 % classes);
    weights.push_back(weighted ? .5 + jet % 5 : 1);
    if (jet % 3 == 0) values[jet * classes + labels.back()] = 80;  // exp(80) is no float
    if (jet % 3 == 1) values[jet * classes] = values[jet * classes + classes - 1] = 3;  // equal
  }
  double loss = 0, correct = 0, weight = 0;
  std::vector<double> gradient;
  for (int jet = 0; jet < jets; ++jet) {
    const float* const logits = values.data() + jet * classes;
    double sum = 0;
    for (int k = 0; k < classes; ++k) sum += std::exp(double{logits[k]});
    loss += weights[jet] * (std::log(sum) - logits[labels[jet]]) / jets;
    if (std::max_element(logits, logits + classes) - logits == labels[jet]) correct += weights[jet];
    weight += weights[jet];
    for (int k = 0; k < classes; ++k) {
      const double probability = std::exp(double{logits[k]}) / sum;
      gradient.push_back(weights[jet] / jets * (probability - (k == labels[jet])));
    }
  }
  const DeviceArray<std::int64_t> label(labels);
  const DeviceArray<double> weight_of(weights);
  DeviceArray<double> figures(weighted ? 3 : 2);
  DeviceArray<float> logits(values), of_loss(1), spoiled(1), to(values.size());
  const auto launch = [&](const DeviceArray<float>& from) {
    prim::launch<ScoreJets>(
        {}, 1, ScoreJets::shared_bytes(),
        {jets, classes, from.get(), label.get(), weighted ? weight_of.get() : nullptr,
         figures.get(), of_loss.get(), spoiled.get(), to.get()});
  };
  launch(logits);
  const auto found = figures.download();
  CHECK(std::abs(found[0] - loss) <= 1e-12 * (1 + loss));
  CHECK(found[1] == correct);
  if (weighted) CHECK(found[2] == weight);
  CHECK(of_loss.download()[0] == static_cast<float>(found[0]));
  CHECK(spoiled.download()[0] == 0);
  const auto of_logits = to.download();
  for (std::size_t k = 0; k < gradient.size(); ++k) {
    CHECK(std::abs(of_logits[k] - gradient[k]) <= 0x1p-23 * std::abs(gradient[k]) + 1e-16);
  }
  for (const float bad : {NAN, INFINITY, -INFINITY}) {  // the last one: an infinite loss
    values[static_cast<std::size_t>(jets / 2) * classes + labels[jets / 2]] = bad;
    launch(DeviceArray<float>(values));
    CHECK_FALSE(std::isfinite(of_loss.download()[0]));
    CHECK_FALSE(std::isfinite(figures.download()[0]));
    CHECK(spoiled.download()[0] == 1);
  }
}

}  // namespace

TEST_CASE("the decoder of the CUDA engine in training") {
  const auto check = [](auto width) {
    constexpr int H = decltype(width)::value;
    check_decoder<H>(2, false, true);
    check_decoder<H>(5, true, false);
    check_decoder<H>(1, true, true);
  };
  with_tested_widths(check);
}

TEST_CASE("the decoder of the CUDA engine in training: the same bits in any order of threads") {
  constexpr int H = 48;
  const Decoder decoder(H, 3);
  const NodeBatch batch({33, 2, 200}, 1, H);
  const std::vector<float> gradient(9, .25F);
  const DecoderRun<H> first(decoder, batch, true, {}, 1, gradient);
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const DecoderRun<H> got(decoder, batch, true, {}, 1, gradient);
    CHECK(got.logits == first.logits);
    CHECK(got.of_h == first.of_h);
    CHECK(got.partial == first.partial);
  });
}

TEST_CASE("the loss of the CUDA engine") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    for (const int jets : {1, 3, 511, 512, 1300}) check_scores(jets, 2, jets % 2 != 0);
    check_scores(40, 5, true);
  });
}

TEST_CASE("the loss of the CUDA engine: a loss that is infinite in float alone") {
  const DeviceArray<float> logits(std::vector<float>{3e38F, -3e38F});
  const DeviceArray<std::int64_t> label(std::vector<std::int64_t>{1});
  DeviceArray<double> figures(2);
  DeviceArray<float> loss(1), spoiled(1), gradient(2);
  prim::launch<ScoreJets>({}, 1, ScoreJets::shared_bytes(),
                          {1, 2, logits.get(), label.get(), nullptr, figures.get(), loss.get(),
                           spoiled.get(), gradient.get()});
  // The weights stay as they are, and whoever reads the figures stops.
  CHECK(spoiled.download()[0] == 1);
  CHECK(std::isinf(loss.download()[0]));
  CHECK(std::isinf(figures.download()[0]));
}

TEST_CASE("pooling of the CUDA engine") {
  with_tested_widths([]<int H>(std::integral_constant<int, H>) { check_pool<H>(); });
}

TEST_CASE("pooling of the CUDA engine: the same bits in any batch, place and order of threads") {
  constexpr int H = 72;
  const Decoder decoder(H, 3);
  const auto one = logits_of<H>(decoder, NodeBatch({33, 2, 200}, 1, H));
  const NodeBatch other({2, 33, 5, 200}, 1, H);
  const int place[] = {1, 0, 3};  // of the first batch's jets
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto got = logits_of<H>(decoder, other);
    for (int k = 0; k < 9; ++k) CHECK(one[k] == got[place[k / 3] * 3 + k % 3]);
  });
}

TEST_CASE("pooling of the CUDA engine: NaN stays in its jet") {
  constexpr int H = 32;
  const Decoder decoder(H, 2);
  NodeBatch batch({3, 17, 4}, 1, H);
  const auto want = logits_of<H>(decoder, batch);
  batch.h[19 * H + 31] = NAN;  // the last node of the second jet
  const auto got = logits_of<H>(decoder, batch);
  for (const int k : {0, 1, 4, 5}) CHECK(got[k] == want[k]);
  for (const int k : {2, 3}) CHECK(std::isnan(got[k]));
}

}  // namespace lorentznet::cuda
