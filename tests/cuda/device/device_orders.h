#pragma once

#include <string>

// What tests can do with the emulator alone (tests/emulator/device_orders.h), on a GPU.

namespace lorentznet::cuda {

/// Calls test(name) once: a GPU's order of threads can't be chosen.
template <class Test>
void in_all_orders(const Test& test) {
  test(std::string("the GPU's"));
}

/// The format of floats exists only in the emulator.
template <class Test>
void with_exact(const Test&) {}

}  // namespace lorentznet::cuda
