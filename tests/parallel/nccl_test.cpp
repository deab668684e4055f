// NCCL, if there is a GPU and the build supports it.
#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <catch2/catch.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "lorentznet/error.h"
#include "parallel/backends.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

constexpr std::chrono::seconds kTimeout(60);
const at::Device kGpu(at::kCUDA, 0);

}  // namespace

TEST_CASE("without a GPU NCCL is refused, and the message says why") {
  if (at::hasCUDA()) return skip("there is a GPU");
  const Place place{.store = c10::make_intrusive<c10d::HashStore>()};
  CHECK_THROWS_AS(make_nccl(place, kTimeout, kGpu), InputError);
  CHECK_THROWS_WITH(make_nccl(place, kTimeout, kGpu),
                    Catch::Equals("device cuda:0: there is no GPU") ||
                        Catch::Equals("device cuda:0: several processes on GPUs need a build with "
                                      "LORENTZNET_CUDA=ON and nccl.h"));
}

TEST_CASE("gpu: NCCL with one rank, from its start to its end") {
  if (!at::hasCUDA()) return skip("no GPU, or a build for CPUs: NCCL was not run");
  const Place place{.store = c10::make_intrusive<c10d::HashStore>()};
  const auto nccl = make_nccl(place, kTimeout, kGpu);
  std::vector<at::Tensor> tensors{at::arange(5, at::TensorOptions(at::kFloat).device(kGpu))};
  nccl->allreduce(tensors)->wait();
  CHECK(tensors[0].cpu().equal(at::arange(5, at::kFloat)));
  nccl->shutdown();  // else its destructor prints a warning
}

TEST_CASE("gpu: a GPU has an identity, which is that of no other") {
  if (!at::hasCUDA()) return skip("no GPU, or a build for CPUs");
  CHECK(gpu_identity(kGpu) == gpu_identity(kGpu));
  CHECK_THAT(gpu_identity(kGpu), Catch::Matches(".+ GPU-[0-9a-f]{32}"));
}
