#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lorentznet/isa.h"
#include "model/model_state.h"

namespace lorentznet::test {

/// Checks that each tensor is within `tolerance` times its largest element of what is expected.
void check_same(const NamedTensors& found, const NamedTensors& expected, double tolerance);

/// Checks that each tensor is within its own tolerance of what is expected.
void check_same(const NamedTensors& found, const NamedTensors& expected,
                const std::map<std::string, double>& tolerances);

/// Checks that all bits are equal.
void check_equal(const NamedTensors& found, const NamedTensors& expected);

/// Checks that run() gives the same bits for 1, 2, 3 and 4 threads, and when it is repeated.
void check_with_threads(const std::function<NamedTensors()>& run);

/// Copies the values of tensors and of batch norm's statistics, and its mode.
void copy_values(const NamedTensors& from, const torch::nn::BatchNorm1d& from_norm,
                 const NamedTensors& to, const torch::nn::BatchNorm1d& to_norm);

/// `error` times the largest element of each of `terms`.
std::map<std::string, double> times_largest(double error,
                                            const std::map<std::string, at::Tensor>& terms);

/// make(seed) for the first seed (1, 2, ...) whose case is far enough from every kink.
/// \throws std::runtime_error if none of 100 is
template <typename Make, typename Distance>
auto first_clear_of_kinks(Make make, Distance distance_to_kink) {
  constexpr std::uint64_t kTries = 100;
  for (std::uint64_t seed = 1; seed <= kTries; ++seed) {
    auto found = make(seed);
    if (distance_to_kink(found) > 1) return found;
  }
  throw std::runtime_error(
      "every case has a kink within the rounding of float: make the case smaller");
}

/// u sqrt(K), u = 2^-24: relative error of a float after K roundings of independent signs.
double float_rounding(std::int64_t roundings);

/// The instruction sets that this processor has.
std::vector<Isa> instruction_sets_here();

}  // namespace lorentznet::test
