#include "model/model_state.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>

#include <catch2/catch.hpp>

#include "arrays.h"
#include "sample.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

NamedTensors sample_tensors() {
  return {{"weight", at::randn({5, 3})},
          {"bias", at::randn({5}, at::kDouble)},
          {"num_batches_tracked", at::full({}, 70000000000, at::kLong)},
          {"scale", at::full({}, 0.25, at::kFloat)},
          {"transposed", at::arange(12, at::kFloat).view({3, 4}).t()},
          {"every_other", at::arange(12, at::kFloat).slice(0, 1, 12, 2)},
          {"nothing", at::empty({0, 7})},
          {"parameter", at::randn({300, 2}).requires_grad_()}};
}

}  // namespace

TEST_CASE("tensors of any type and strides come back from a checkpoint's arrays") {
  const TemporaryFolder folder;
  const auto tensors = sample_tensors();
  write_state_dict(folder / "a.pt", arrays_of(tensors));
  const auto state = read_state_dict(folder / "a.pt");
  REQUIRE(state.size() == tensors.size());
  for (std::size_t i = 0; i < state.size(); ++i) {
    INFO(tensors[i].first);
    const auto found = tensor_of(state[i].second);
    CHECK(state[i].first == tensors[i].first);
    CHECK(found.scalar_type() == tensors[i].second.scalar_type());
    CHECK(found.equal(tensors[i].second));
    CHECK(found.is_contiguous());
    CHECK_FALSE(found.requires_grad());
    CHECK(found.storage().nbytes() == found.nbytes());
    CHECK(same_bits(array_of(tensors[i].second.clone()), state[i].second));
  }
}

TEST_CASE("an array shares a tensor's memory and keeps it alive") {
  auto tensor = at::full({2}, 1.5, at::kFloat);
  const auto array = array_of(tensor);
  tensor[1] = 2.5;
  CHECK(array.as<float>()[1] == 2.5);
  tensor = at::Tensor();
  CHECK(array.as<float>()[0] == 1.5);
}

TEST_CASE("tensors of other types have no array") {
  CHECK_THROWS_AS(array_of(at::full({2}, 1, at::kHalf)), std::invalid_argument);
  CHECK_THROWS_AS(array_of(at::Tensor()), std::invalid_argument);
}
