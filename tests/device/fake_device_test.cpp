// The fake device finds what a GPU would not forgive.
#include "fake_device.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "golden.h"
#include "kernels/transfer.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("tensors on different devices do not meet, except numbers of the CPU") {
  const auto here = at::ones({3}), there = here.to(fake_device()),
             elsewhere = here.to(fake_device(1));
  CHECK_THROWS_WITH(there + here, Catch::Contains("fake:0 and cpu"));
  CHECK_THROWS_WITH(at::cat({there, here}), Catch::Contains("has tensors on"));
  CHECK_THROWS_WITH(there + elsewhere, Catch::Contains("fake:0 and fake:1"));
  CHECK_THROWS(there.index_select(0, at::zeros({1}, at::kLong)));
  CHECK((there + at::scalar_tensor(2.)).cpu().equal(at::full({3}, 3.f)));
}

TEST_CASE("fresh memory of the device is NaN") {
  const auto fresh = at::empty({4}, at::TensorOptions(fake_device()));
  CHECK(at::isnan(cpu_view(fresh)).all().item<bool>());
}

TEST_CASE("numbers from the device are there when they were waited for, not before") {
  const auto numbers = at::full({2}, 7., at::TensorOptions(at::kDouble).device(fake_device()));
  const auto on_host = host_memory(2, at::kDouble, fake_device());
  on_host.copy_(numbers, /*non_blocking=*/true);
  CHECK(std::isnan(on_host.const_data_ptr<double>()[0]));
  const ReadBack read(numbers);
  const auto before = device_counts();
  CHECK(read.get()[1] == 7);
  CHECK(device_counts().since(before).waits == 1);
  CHECK(on_host.const_data_ptr<double>()[0] == 7);  // it was begun before
}

TEST_CASE("a network and its batch on a device give the CPU's logits") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    const auto batch = whole_batch(sample_jets(*task, 6), *task);
    auto model = small_network(*task);
    model->eval();
    const torch::NoGradGuard no_grad;
    const auto expected = model->forward(batch);
    move_to(*model, fake_device());
    CHECK_THROWS_WITH(model->forward(batch),
                      Catch::Contains("p4 is on cpu, the network on fake:0"));
    CHECK(cpu_view(model->forward(batch.to(fake_device()))).equal(expected));
  }
}
