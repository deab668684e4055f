#include "named_tensors.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "golden.h"

namespace lorentznet::test {
namespace {

template <typename Check>
void check_each(const NamedTensors& found, const NamedTensors& expected, Check check) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    const auto& name = expected[k].first;
    CAPTURE(name, max_difference(found[k].second, expected[k].second));
    REQUIRE(found[k].first == name);
    check(name, found[k].second, expected[k].second);
  }
}

/// Sets the number of threads while the object lives.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

void check_same(const NamedTensors& found, const NamedTensors& expected, double tolerance) {
  check_each(found, expected, [&](const auto&, const auto& tensor, const auto& other) {
    CHECK(agree(tensor, other, tolerance));
  });
}

void check_same(const NamedTensors& found, const NamedTensors& expected,
                const std::map<std::string, double>& tolerances) {
  check_each(found, expected, [&](const auto& name, const auto& tensor, const auto& other) {
    REQUIRE(tensor.sizes() == other.sizes());
    CHECK(max_difference(tensor, other) <= tolerances.at(name));
  });
}

void check_equal(const NamedTensors& found, const NamedTensors& expected) {
  check_each(found, expected, [](const auto&, const auto& tensor, const auto& other) {
    CHECK(at::equal(tensor, other));
  });
}

void check_with_threads(const std::function<NamedTensors()>& run) {
  NamedTensors expected;
  for (const int count : {1, 1, 2, 3, 4}) {
    const Threads threads(count);
    REQUIRE(at::get_num_threads() == count);
    const auto found = run();
    if (expected.empty()) expected = found;
    CAPTURE(count);
    check_equal(found, expected);
  }
}

void copy_values(const NamedTensors& from, const torch::nn::BatchNorm1d& from_norm,
                 const NamedTensors& to, const torch::nn::BatchNorm1d& to_norm) {
  for (std::size_t k = 0; k < from.size(); ++k) {
    auto target = to[k].second;
    target.copy_(from[k].second);
  }
  to_norm->running_mean.copy_(from_norm->running_mean);
  to_norm->running_var.copy_(from_norm->running_var);
  torch::nn::BatchNorm1d(to_norm)->train(from_norm->is_training());
}

std::map<std::string, double> times_largest(double error,
                                            const std::map<std::string, at::Tensor>& terms) {
  std::map<std::string, double> result;
  for (const auto& [name, sums] : terms) result[name] = error * sums.max().item<double>();
  return result;
}

double float_rounding(std::int64_t roundings) {
  return std::ldexp(1, -24) * std::sqrt(static_cast<double>(roundings));
}

std::vector<Isa> instruction_sets_here() {
  std::vector<Isa> sets;
  for (const auto isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
    if (runs_here(isa)) sets.push_back(isa);
  }
  return sets;
}

}  // namespace lorentznet::test
