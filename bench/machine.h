#pragma once

#include "io/json.h"

namespace lorentznet::bench {

/// What the figures depend on besides the program: {"processor", "cores", "isa", "bf16_dot",
/// "omp_wait_policy"}.
Json describe_machine();

}  // namespace lorentznet::bench
