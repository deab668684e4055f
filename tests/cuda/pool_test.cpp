#include <catch2/catch.hpp>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/pack_nodes.h"
#include "engine/cuda/pool_training.h"
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
  prim::launch<Pool<H>>(
      {}, batch.jets(), Pool<H>::shared_bytes(),
      {decoder.classes, offsets.get(), n_nodes.get(), h.get(), weights.get(), logits.get()});
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

template <int H>
void check_pool_training(bool ghost) {
  INFO("H " << H << (ghost ? ", with a ghost" : ""));
  const NodeBatch batch({1, 2, 3, 15, 16, 17, 31, 33, 64, 199, 200}, 1, H);
  const DeviceArray<int> offsets(batch.offsets);
  const DeviceArray<float> h(batch.h), n_nodes(batch.n_nodes);
  const auto size = static_cast<std::size_t>(batch.jets()) * H;
  DeviceArray<float> pooled(size), of_h(batch.h.size() + (ghost ? H : 0));
  prim::launch<PoolForward<H>>({}, batch.jets(), 0,
                               {offsets.get(), n_nodes.get(), h.get(), pooled.get()});
  check_rows(pooled.download(), reference_pooled(batch), 1e-6);

  const std::vector<float> of_pooled(batch.h.begin(), batch.h.begin() + size);
  const DeviceArray<float> gradient(of_pooled);
  prim::launch<PoolBackward<H>>(
      {}, PoolBackward<H>::blocks(batch.jets(), ghost), 0,
      {batch.jets(), offsets.get(), n_nodes.get(), gradient.get(), of_h.get()});
  const auto got = of_h.download();
  Bounded want(batch.nodes, H);
  for (int jet = 0; jet < batch.jets(); ++jet) {
    for (int k = batch.offsets[jet] * H; k < batch.offsets[jet + 1] * H; ++k) {
      want.value[k] = of_pooled[jet * H + k % H] / double{batch.n_nodes[jet]};
      want.error[k] = 0x1p-23 * std::abs(want.value[k]);
    }
  }
  check_rows(std::vector<float>(got.begin(), got.begin() + batch.nodes * H), want, 1e-7);
  for (std::size_t k = batch.h.size(); k < got.size(); ++k) CHECK(got[k] == 0);
}

}  // namespace

TEST_CASE("pooling of the CUDA engine in training") {
  for (const bool ghost : {false, true}) {
    with_tested_widths(
        [&]<int H>(std::integral_constant<int, H>) { check_pool_training<H>(ghost); });
  }
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
