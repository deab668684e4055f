#pragma once

#include <string>

#include "block.h"
#include "formats.h"

// What tests can do with the emulator alone. tests/cuda/device/device_orders.h is for a GPU.

namespace lorentznet::cuda {

/// Calls test(name) with threads that run in ascending, descending and three random orders.
template <class Test>
void in_all_orders(const Test& test) {
  const emu::Options before = emu::options;
  struct Restore {
    const emu::Options& to;
    ~Restore() { emu::options = to; }
  } restore{before};
  emu::options.order = emu::Order::kAscending;
  test("ascending");
  emu::options.order = emu::Order::kDescending;
  test("descending");
  emu::options.order = emu::Order::kRandom;
  for (int seed = 1; seed <= 3; ++seed) {
    emu::options.seed = seed;
    test("random " + std::to_string(seed));
  }
}

/// Calls test.template operator()<prim::Exact>(), where that format exists.
template <class Test>
void with_exact(const Test& test) {
  test.template operator()<prim::Exact>();
}

}  // namespace lorentznet::cuda
