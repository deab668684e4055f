#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lorentznet::test {

// NCCL for fake devices, linked in the place of backends/nccl.cpp: Gloo does its work.

/// What the rank on fake device `index` has asked of NCCL since its start: "sum 5", "broadcast 3"
/// with numbers of elements, and at the end "shutdown" or "abort".
std::vector<std::string> nccl_calls(std::int64_t index);

/// From now on sum number `call` of each rank (from 0) fails; none if empty.
void fail_nccl_at(std::optional<std::int64_t> call);

}  // namespace lorentznet::test
