#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lorentznet/isa.h"

namespace lorentznet::test {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Checks that each tensor is within `tolerance` times its largest element of what is expected.
void check_same(const NamedTensors& found, const NamedTensors& expected, double tolerance);

/// Checks that each tensor is within its own tolerance of what is expected.
void check_same(const NamedTensors& found, const NamedTensors& expected,
                const std::map<std::string, double>& tolerances);

/// Checks that all bits are the same.
void check_equal(const NamedTensors& found, const NamedTensors& expected);

/// Checks that what `run` gives has the same bits for 1, 2, 3 and 4 threads, and run after run.
void check_with_threads(const std::function<NamedTensors()>& run);

/// u sqrt(K): by how much a float is wrong, in units of its size, that K roundings have gone into
/// of signs that know nothing of each other; u = 2^-24.
double float_rounding(std::int64_t roundings);

/// The instruction sets that this processor has.
std::vector<Isa> instruction_sets_here();

}  // namespace lorentznet::test
