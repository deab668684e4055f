// One of tests/fuzz/targets.h for libFuzzer (scripts/fuzz.py): LORENTZNET_FUZZ_TARGET.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lorentznet::fuzz::LORENTZNET_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
