#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "edge_reference.h"
#include "engine/cuda/edge_forward.h"
#include "engine/cuda/edge_plan.h"
#include "engine/cuda/edge_weights.h"
#include "errors.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

struct Sums {
  std::vector<float> message;
  std::vector<double> translation;
};

template <typename Op, int H, int kRounds, bool kMoves>
Sums edge_sums(const fused::PackedLayer<float>& layer, const JetsOfSizes& jets, int split) {
  using Kernel = EdgeForward<Op, H, kRounds, kMoves>;
  const auto packed = pack_edges<Op, H>(layer);
  const DeviceArray<int2> span(jets.span);
  const DeviceArray<float> a(jets.a), b(jets.b), biases(packed.biases);
  const DeviceArray<double> x(jets.x);
  const DeviceArray<typename Op::Pair> weights(packed.fragments);
  DeviceArray<float> message(jets.a.size());
  DeviceArray<double> translation(jets.x.size());
  const auto plan = plan_edges<Kernel>(jets.offsets, split);
  prim::launch<Kernel>({}, plan.grid, plan.shared_bytes,
                       {.nodes = jets.nodes(),
                        .split = split,
                        .window = plan.window,
                        .span = span.get(),
                        .a = a.get(),
                        .b = b.get(),
                        .x = x.get(),
                        .weights = weights.get(),
                        .biases = biases.get(),
                        .gate_bias = packed.gate_bias,
                        .message = message.get(),
                        .translation = translation.get()});
  return {message.download(), kMoves ? translation.download() : std::vector<double>()};
}

/// Largest |found - expected| / bound; NaN if a number of `found` is.
template <typename T>
double worst(const std::vector<T>& found, const std::vector<double>& expected,
             const std::vector<double>& bound) {
  double ratio = 0;
  for (std::size_t k = 0; k < found.size(); ++k) {
    const double error = std::abs(found[k] - expected[k]);
    const double one = error == 0 ? 0 : error / bound[k];
    if (!(one <= ratio)) ratio = one;
  }
  return ratio;
}

/// Errors: below the derived bounds, and of the size that rounding has.
template <typename Op, int H, int kRounds, bool kMoves>
void check(const std::vector<int>& sizes, int split, double unit, double rms) {
  const RandomLayer layer(H, kMoves, 5);
  const JetsOfSizes jets(sizes, H);
  const auto expected = edge_reference(layer.get(), jets, unit);
  const auto found = edge_sums<Op, H, kRounds, kMoves>(layer.get(), jets, split);
  CAPTURE(H, kRounds, kMoves, split, unit, sizes);
  CHECK(worst(found.message, expected.message, expected.message_bound) <= 1);
  CHECK(relative_rms(found.message, expected.message) <= rms);
  if (!kMoves) return;
  CHECK(worst(found.translation, expected.translation, expected.translation_bound) <= 1);
  CHECK(relative_rms(found.translation, expected.translation) <= 8 * rms);
}

const std::vector<int> kSizes{1, 2, 3, 15, 16, 17, 31, 33, 1, 1, 2, 20};

constexpr double kF16 = 0x1p-11, kBf16 = 0x1p-8, kF16x3 = 0x1p-22, kBf16x3 = 0x1p-16;

/// All formats of a width, with one receiver's edges in one warp and in four.
template <int H, int kRounds>
void check_width() {
  const std::vector<int> sizes{1, 2, 3, 17, 20};
  with_exact([&]<typename Op>() {
    check<Op, H, kRounds, true>(sizes, 1, 0, 1e-6);
    check<Op, H, kRounds, false>(sizes, 4, 0, 1e-6);
  });
  check<prim::F16x3, H, kRounds, true>(sizes, 2, kF16x3, 2e-6);
  check<prim::F16, H, kRounds, true>(sizes, 1, kF16, 1e-3);
}

bool is_same(const Sums& one, int at, const Sums& other, int other_at, int n, int hidden) {
  const auto same = [&](const auto& from, const auto& to, int width) {
    return std::equal(from.begin() + at * width, from.begin() + (at + n) * width,
                      to.begin() + other_at * width);
  };
  return same(one.message, other.message, hidden) && same(one.translation, other.translation, 4);
}

}  // namespace

TEST_CASE("edge part: every width is the definition within its format's bounds") {
  with_tested_widths(
      []<int H>(std::integral_constant<int, H>) { check_width<H, H <= 72 ? 2 : 1>(); });
}

TEST_CASE("edge part: odd sizes, and jets side by side in a tile") {
  with_exact([]<typename Op>() {
    for (const int split : {1, 2, 4}) check<Op, 72, 2, true>(kSizes, split, 0, 1e-6);
    for (const int n : {1, 2, 3, 15, 16, 17, 31, 33, 64}) {
      check<Op, 24, 2, true>({n}, 1, 0, 2e-6);
    }
    check<Op, 16, 2, true>({199, 200}, 2, 0, 2e-6);
  });
  check<prim::Bf16, 72, 2, true>(kSizes, 1, kBf16, 8e-3);
  check<prim::Bf16x3, 72, 2, true>(kSizes, 1, kBf16x3, 4e-5);
}

TEST_CASE("edge part: a jet has the same bits in any batch, place and order of threads") {
  const RandomLayer layer(72, true, 5);
  const JetsOfSizes one({33, 2, 20}, 72), other({20, 17, 33, 1, 2}, 72);
  const auto expected = edge_sums<prim::F16x3, 72, 2, true>(layer.get(), one, 1);
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto found = edge_sums<prim::F16x3, 72, 2, true>(layer.get(), other, 1);
    CHECK(is_same(expected, 0, found, 37, 33, 72));
    CHECK(is_same(expected, 33, found, 71, 2, 72));
    CHECK(is_same(expected, 35, found, 0, 20, 72));
  });
}

TEST_CASE("edge part: NaN stays in its jet, and is not clamped away") {
  const RandomLayer layer(24, true, 5);
  const JetsOfSizes jets({5, 3, 7}, 24);
  const auto expected = edge_sums<prim::F16x3, 24, 2, true>(layer.get(), jets, 1);
  auto with_nan = jets;
  with_nan.b[24 * 6 + 3] = std::numeric_limits<float>::quiet_NaN();  // of the second jet
  const auto found = edge_sums<prim::F16x3, 24, 2, true>(layer.get(), with_nan, 1);
  CHECK(is_same(expected, 0, found, 0, 5, 24));
  CHECK(is_same(expected, 8, found, 8, 7, 24));
  for (const int i : {5, 7}) {  // its receivers
    CHECK(std::isnan(found.message[24 * i]));
    for (int k = 0; k < 4; ++k) CHECK(std::isnan(found.translation[4 * i + k]));
  }
}

}  // namespace lorentznet::cuda
