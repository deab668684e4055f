#include "named_tensors.h"

#include <ATen/ATen.h>

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
