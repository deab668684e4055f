#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "product_kernel.h"

namespace lorentznet::cuda {
namespace {

/// Largest |got - want| / (|a| |b|), summed over k, of C = A B; NaN if a number of C is.
template <class Format, int K>
double product_error(int tiles, int columns) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> a(16 * tiles * K), b(K * columns);
  for (float& x : a) x = normal(random);
  for (float& x : b) x = normal(random);
  const DeviceArray<float> on_a(a), on_b(b);
  DeviceArray<float> c(16 * tiles * columns);
  using Kernel = Product<Format, K>;
  prim::launch<Kernel>({}, tiles, Kernel::shared_bytes(),
                       {columns, on_a.get(), on_b.get(), c.get()});
  const std::vector<float> got = c.download();
  double worst = 0;
  for (int row = 0; row < 16 * tiles; ++row) {
    for (int column = 0; column < columns; ++column) {
      double sum = 0, size = 0;
      for (int k = 0; k < K; ++k) {
        const double term = double{a[row * K + k]} * b[k * columns + column];
        sum += term;
        size += std::abs(term);
      }
      const double error = std::abs(got[row * columns + column] - sum) / size;
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

/// Both factors rounded by `unit`, and K float sums.
template <class Format>
void check_products(double unit) {
  const double bound = 2.1 * unit + 72 * 0x1p-24;
  REQUIRE(product_error<Format, 72>(3, 24) <= bound);
  REQUIRE(product_error<Format, 16>(1, 8) <= bound);
  REQUIRE(product_error<Format, 8>(2, 32) <= bound);
}

}  // namespace

TEST_CASE("a product through fragments in all formats and orders of threads") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    with_exact([]<class Format>() { check_products<Format>(0); });
    check_products<prim::F16>(0x1p-11);
    check_products<prim::Bf16>(0x1p-8);
    check_products<prim::F16x3>(0x1p-22);
    check_products<prim::Bf16x3>(0x1p-16);
  });
}

TEST_CASE("launches are counted, and refused where the device can't run them") {
  using Kernel = Product<prim::F16, 16>;
  const DeviceArray<float> a(256), b(128);
  DeviceArray<float> c(128);
  const Kernel::Params params{8, a.get(), b.get(), c.get()};
  const long before = prim::launches();
  prim::launch<Kernel>({}, 1, Kernel::shared_bytes(), params);
  REQUIRE(prim::launches() == before + 1);
  REQUIRE_THROWS_WITH(prim::launch<Kernel>({}, 1, prim::shared_limit() + 16, params),
                      Catch::Contains("this device has " + std::to_string(prim::shared_limit())));
  REQUIRE_THROWS_WITH(prim::launch<Kernel>({}, 0, 0, params), Catch::Contains("one block"));
}

}  // namespace lorentznet::cuda
