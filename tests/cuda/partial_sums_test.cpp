#include "engine/cuda/partial_sums.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"

namespace lorentznet::cuda {
namespace {

template <typename T>
std::vector<T> random_parts(int count) {
  std::mt19937 random(9);
  std::normal_distribution<T> normal;
  std::vector<T> values(count);
  for (T& value : values) value = normal(random);
  return values;
}

template <typename T>
double sum_of(const std::vector<T>& partial, int parts, int columns, int c) {
  double sum = 0;
  for (int part = 0; part < parts; ++part) sum += partial[part * columns + c];
  return sum;
}

}  // namespace

TEST_CASE("partial sums of the CUDA engine in an order that depends on their number alone") {
  constexpr int kColumns = 45, kWidth = 9, kStride = 12, kOther = 70, kThird = 3;
  for (const int parts : {1, 16, 17, 100, 255, 260}) {
    INFO(parts << " parts");
    const auto doubles = random_parts<double>(parts * kColumns);
    const auto floats = random_parts<float>((parts + 2) * kOther);
    const DeviceArray<double> partial(doubles);
    const DeviceArray<float> other(floats);
    std::vector<std::vector<double>> results;
    in_all_orders([&](const std::string&) {
      DeviceArray<double> sums(kColumns);
      DeviceArray<float> gradient(std::vector<float>(5 * kStride, -1)), of_other(kOther);
      DeviceArray<double> third(kThird);
      AddPartials::Params params;
      params.add(
          {parts, kColumns, partial.get(), nullptr, sums.get(), gradient.get(), kWidth, kStride});
      params.add(
          {parts + 2, kOther, nullptr, other.get(), nullptr, of_other.get(), kOther, kOther});
      params.add(parts, kThird, partial.get(), third.get());
      prim::launch<AddPartials>({}, params.blocks(), AddPartials::shared_bytes(), params);
      results.push_back(sums.download());
      CHECK(results.back() == results.front());
      const auto rows = gradient.download();
      for (int k = 0; k < 5 * kStride; ++k) {
        const bool written = k % kStride < kWidth;
        const int c = k / kStride * kWidth + k % kStride;
        CHECK(rows[k] == (written ? static_cast<float>(results.back()[c]) : -1));
      }
      const auto others = of_other.download();
      for (int c = 0; c < kOther; ++c) {
        const double want = sum_of(floats, parts + 2, kOther, c);
        CHECK(std::abs(others[c] - want) <= 1e-6 * (1 + std::abs(want)));
      }
      const auto thirds = third.download();
      for (int c = 0; c < kThird; ++c) {
        CHECK(std::abs(thirds[c] - sum_of(doubles, parts, kThird, c)) <= 1e-12);
      }
    });
    for (int c = 0; c < kColumns; ++c) {
      CHECK(std::abs(results[0][c] - sum_of(doubles, parts, kColumns, c)) <= 1e-12);
    }
  }
}

TEST_CASE("partial sums of the CUDA engine: more than a launch adds") {
  AddPartials::Params params;
  for (int k = 0; k < AddPartials::kMost; ++k) params.add(1, 1, nullptr, nullptr);
  CHECK_THROWS_AS(params.add(1, 1, nullptr, nullptr), std::logic_error);
}

}  // namespace lorentznet::cuda
