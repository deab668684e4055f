#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "cuda_primitives.h"
#include "device_orders.h"
#include "edge_on_device.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

/// Errors relative to what is expected. Where an operand's rounding moves a number across 0, relu's
/// gradient is another: few of the errors are as large as the numbers, so the median tells more.
struct Bounds {
  double median, rms;
};
constexpr Bounds kExact{2e-6, 2e-5}, kBf16x3{5e-4, 2e-2}, kBf16{7e-2, .3};

template <typename Op, int H, bool kMoves>
void check_backward(const std::vector<int>& sizes, const Bounds& bounds) {
  CAPTURE(H, kMoves, bounds.median, sizes);
  const EdgeTrainingLayer layer(H, kMoves, 5);
  const JetsOfSizes jets(sizes, H);
  const Pulls pulls(jets);
  const auto expected =
      edge_training_reference(layer, jets, pulls.message, pulls.translation, rounding_of<Op>());
  const EdgeLayerOnDevice<Op, H> on_device(layer);
  EdgeBatchOnDevice<Op, H, kMoves> batch(on_device, jets);
  batch.forward();
  batch.backward();
  const auto check = [&](const std::string& name, const auto& array,
                         const std::vector<double>& wanted) {
    INFO(name);
    const auto found = array.download();
    if (found.size() > 1) CHECK(relative_median(found, wanted) <= bounds.median);
    CHECK(relative_rms(found, wanted) <= bounds.rms);
  };
  check("q_row", batch.q_row, expected.q_row);
  check("q_column", batch.q_column, expected.q_column);
  check("p_s", batch.p_s, expected.p_s);
  check("p_t", batch.p_t, expected.p_t);
  check("s_q", batch.s_q, expected.s_q);
  check("t_q", batch.t_q, expected.t_q);
  check("x", batch.x_gradient, expected.x);
  check("phi_e.3's weight", batch.edge_out, expected.edge_out);
  check("phi_e.3's bias", batch.edge_out_bias, expected.edge_out_bias);
  check("the gate's weight", batch.gate, expected.gate);
  check("the gate's bias", batch.gate_bias, expected.gate_bias);
  if (!kMoves) return;
  check("phi_x.0's weight", batch.move_in, expected.move_in);
  check("phi_x.0's bias", batch.move_in_bias, expected.move_in_bias);
  check("phi_x.2's weight", batch.move_out, expected.move_out);
}

/// Everything that a backward pass gives.
template <typename Op, int H>
std::vector<double> all_of(const JetsOfSizes& jets) {
  const EdgeTrainingLayer layer(H, true, 5);
  const EdgeLayerOnDevice<Op, H> on_device(layer);
  EdgeBatchOnDevice<Op, H, true> batch(on_device, jets);
  batch.forward();
  batch.backward();
  std::vector<double> all;
  const auto append = [&](const auto& array) {
    const auto values = array.download();
    all.insert(all.end(), values.begin(), values.end());
  };
  append(batch.q_row);
  for (const auto* array :
       {&batch.p_s, &batch.p_t, &batch.q_column, &batch.edge_out, &batch.edge_out_bias, &batch.gate,
        &batch.gate_bias, &batch.move_in, &batch.move_in_bias, &batch.move_out}) {
    append(*array);
  }
  for (const auto* array : {&batch.x_gradient, &batch.s_q, &batch.t_q}) append(*array);
  return all;
}

const std::vector<int> kSizes{1, 2, 3, 15, 16, 17, 31, 33, 1, 1, 2, 20};

template <int H>
void check_width() {
  const std::vector<int> sizes{1, 2, 3, 17, 20};
  with_exact([&]<typename Op>() {
    check_backward<Op, H, true>(sizes, kExact);
    check_backward<Op, H, false>(sizes, kExact);
  });
  check_backward<prim::Bf16x3, H, true>(sizes, kBf16x3);
  check_backward<prim::Bf16, H, true>(sizes, kBf16);
}

}  // namespace

TEST_CASE("edge part in training: backward, every width and format") {
  with_tested_widths([]<int H>(std::integral_constant<int, H>) { check_width<H>(); });
}

TEST_CASE("edge part in training: backward, odd sizes") {
  with_exact([]<typename Op>() {
    check_backward<Op, 24, true>(kSizes, kExact);
    for (const int n : {1, 2, 3, 15, 16, 17, 31, 33, 64}) check_backward<Op, 16, true>({n}, kExact);
    check_backward<Op, 16, true>({200}, kExact);
    check_backward<Op, 96, false>({33, 2, 31}, kExact);
  });
}

TEST_CASE("edge part in training: backward, more receivers than all blocks take at once") {
  std::vector<int> sizes(4200, 2);
  sizes.insert(sizes.end(), {19, 3, 40});
  CHECK(EdgeBackward<prim::Bf16, 16, true>::blocks(8400 + 62) ==
        EdgeBackward<prim::Bf16, 16, true>::kMostBlocks);
  with_exact([&]<typename Op>() { check_backward<Op, 16, true>(sizes, kExact); });
}

TEST_CASE("edge part in training: backward, the same bits in any order of threads") {
  const JetsOfSizes jets({33, 2, 20}, 24);
  const auto expected = all_of<prim::Bf16x3, 24>(jets);
  in_all_orders([&](const std::string& order) {
    INFO(order);
    CHECK(all_of<prim::Bf16x3, 24>(jets) == expected);
  });
}

TEST_CASE("edge part in training: backward, a jet's bits are the same in any batch") {
  const auto one = all_of<prim::Bf16x3, 24>(JetsOfSizes({33, 2, 20}, 24)),
             other = all_of<prim::Bf16x3, 24>(JetsOfSizes({17, 20, 33}, 24));
  // sum_j q_ij
  CHECK(std::equal(one.begin(), one.begin() + 33 * 24, other.begin() + 37 * 24));
  CHECK(std::equal(one.begin() + 35 * 24, one.begin() + 55 * 24, other.begin() + 17 * 24));
  const auto p_s = one.begin() + 55 * 24, other_p_s = other.begin() + 70 * 24;
  CHECK(std::equal(p_s, p_s + 33 * 33, other_p_s + 17 * 17 + 20 * 20));
}

TEST_CASE("edge part in training: backward, NaN stays in its jet") {
  const JetsOfSizes jets({5, 3, 7}, 24);
  auto with_nan = jets;
  with_nan.b[24 * 6 + 3] = std::numeric_limits<float>::quiet_NaN();  // of the second jet
  const auto expected = all_of<prim::Bf16x3, 24>(jets), found = all_of<prim::Bf16x3, 24>(with_nan);
  CHECK(std::equal(expected.begin(), expected.begin() + 5 * 24, found.begin()));
  CHECK(std::equal(expected.begin() + 8 * 24, expected.begin() + 15 * 24, found.begin() + 8 * 24));
  for (const int i : {5, 7}) CHECK(std::isnan(found[24 * i + 3]));  // its receivers
  CHECK(std::isnan(found.back()));
}

}  // namespace lorentznet::cuda
