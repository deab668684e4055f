// NCCL, if there is a GPU and the build supports it.
#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <catch2/catch.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "parallel/backends.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("gpu: NCCL with one rank") {
  const Place place{.store = c10::make_intrusive<c10d::HashStore>()};
  const std::chrono::seconds timeout(60);
  const at::Device device(at::kCUDA, 0);
  if (!at::hasCUDA()) {
    CHECK_THROWS(make_nccl(place, timeout, device));
    return skip("no GPU, or a build for CPUs: NCCL was not run");
  }
  const auto nccl = make_nccl(place, timeout, device);
  std::vector<at::Tensor> tensors{at::arange(5, at::TensorOptions(at::kFloat).device(device))};
  nccl->allreduce(tensors)->wait();
  CHECK(tensors[0].cpu().equal(at::arange(5, at::kFloat)));
}
