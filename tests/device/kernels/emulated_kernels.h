#pragma once

namespace lorentznet::test {

/// Kernels that were started on the emulator.
long emulated_launches();

}  // namespace lorentznet::test
