#include <catch2/catch.hpp>
#include <cstring>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/pack_nodes.h"
#include "engine/cuda/packed_weights.h"
#include "node_batch.h"

namespace lorentznet::cuda {
namespace {

/// Weights packed by the device are those packed by the host; the transposed ones are those of the
/// transposed matrix.
template <typename Op, int H>
void check_packing() {
  INFO("H " << H);
  using Pair = typename Op::Pair;
  constexpr int kInputs = 2 * H + 3, kFirst = H;
  std::mt19937 random(3);
  const Linear layer(kInputs, H, 0, random);
  std::vector<float> transposed;
  append_transposed(layer.weight.data(), H, kInputs, kFirst, H, transposed);

  const DeviceArray<float> weights(layer.weight);
  const float* const from = weights.get() + kFirst;
  DeviceArray<Pair> to(3 * kMatrixFragments<H>);
  const auto part = [&](int k) { return to.get() + k * kMatrixFragments<H>; };
  using Kernel = PackNetwork<Op, H>;
  using Matrix = typename Kernel::Nodes::Matrix;
  DeviceArray<float> rows(3 * H);
  const DeviceArray<Matrix> matrices(
      std::vector<Matrix>{{from, kInputs, 1, WeightOrder::kByColumns, part(0), 0, nullptr},
                          {from, kInputs, 1, WeightOrder::kByPositions, part(1), 0, nullptr},
                          {from, 1, kInputs, WeightOrder::kByColumns, part(2), 0, nullptr},
                          {from + H, kInputs, 1, WeightOrder::kByColumns, nullptr, 3, rows.get()}});
  prim::launch<Kernel>({}, Kernel::blocks(4, 0), 0, {matrices.get(), 4, nullptr});

  std::vector<Pair> want;
  append_fragments<Op, H>(WeightOrder::kByColumns, layer.weight.data(), kInputs, kFirst, want);
  append_fragments<Op, H>(WeightOrder::kByPositions, layer.weight.data(), kInputs, kFirst, want);
  append_fragments<Op, H>(WeightOrder::kByColumns, transposed.data(), H, 0, want);
  const auto got = to.download();
  REQUIRE(got.size() == want.size());
  CHECK(std::memcmp(got.data(), want.data(), want.size() * sizeof(Pair)) == 0);
  std::vector<float> want_rows;
  append_transposed(layer.weight.data(), H, kInputs, 2 * H, 3, want_rows);
  CHECK(rows.download() == want_rows);
}

}  // namespace

TEST_CASE("weights of the CUDA engine packed on the device") {
  check_packing<prim::Bf16, 24>();
  check_packing<prim::Bf16x3, 24>();
  check_packing<prim::F16, 128>();
  check_packing<prim::F16x3, 72>();
  with_exact([]<typename Op>() { check_packing<Op, 16>(); });
}

}  // namespace lorentznet::cuda
