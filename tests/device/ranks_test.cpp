// Several ranks with a fake device each, which exchange tensors through a fake NCCL.
#include <ATen/ATen.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "device_training.h"
#include "fake_device.h"
#include "fake_nccl.h"
#include "lorentznet/error.h"
#include "parallel/gloo_ranks.h"
#include "support.h"
#include "train/adamw.h"
#include "train/step_loss.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

at::Device device_of(const Processes& processes) {
  return fake_device(static_cast<std::int8_t>(processes.launch().rank));
}

std::int64_t count_sums(const std::vector<std::string>& calls) {
  return std::count_if(calls.begin(), calls.end(),
                       [](const std::string& call) { return call.starts_with("sum "); });
}

}  // namespace

TEST_CASE("ranks on devices follow one process, with the same collectives in the same order",
          "[alone]") {
  const TemporaryFolder folder;
  const auto alone = train_on_device({.device = fake_device(), .dropout = 0}, folder.path());
  for (const std::int64_t size : {2, 4}) {
    CAPTURE(size);
    std::vector<TrainedOnDevice> trained(static_cast<std::size_t>(size));
    run_ranks(size, [&](Processes& processes) {
      processes.use(device_of(processes));
      const TemporaryFolder own;
      train_on_device({.device = device_of(processes),
                       .jets_on_device = true,
                       .dropout = 0,
                       .ranks = processes.communicator()},
                      own.path(), trained[static_cast<std::size_t>(processes.launch().rank)]);
    });
    REQUIRE(alone.losses.size() == 8);
    REQUIRE(trained[0].losses.size() == 8);
    for (std::size_t step = 0; step < 8; ++step) {
      CAPTURE(step);
      CHECK(std::abs(trained[0].losses[step] - alone.losses[step]) <= 1e-5);
    }
    const auto calls = nccl_calls(0);
    // Weights and counters of rank 0; then in each of 8 steps two sums forward and one backward
    // for each of two in each of four batch norms (mean, variance), and the gradients; at last the
    // end, in order.
    REQUIRE(calls.size() > 3);
    CHECK(calls[0].starts_with("broadcast "));
    CHECK(calls[1].starts_with("broadcast "));
    CHECK(calls.back() == "shutdown");
    CHECK(std::count(calls.begin(), calls.end(), "shutdown") == 1);
    CHECK(count_sums(calls) == 8 * (4 * 2 * 2 + 1));
    for (std::int64_t rank = 1; rank < size; ++rank) {
      CHECK(nccl_calls(rank) == calls);
      CHECK(trained[static_cast<std::size_t>(rank)].losses == trained[0].losses);
    }
  }
}

TEST_CASE("a loss that is not finite on one rank leaves the weights of all ranks alone") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  // The last loss is finite on each rank, so nobody stops, though the ranks' sum is no float.
  for (const auto& [finite, of_last] : {std::pair{true, 1.F}, {false, nan}, {true, 3e38F}}) {
    for (const bool own_kernels : {false, true}) {
      CAPTURE(of_last, own_kernels);
      std::vector<at::Tensor> weights(2);
      run_ranks(2, [&](Processes& processes) {
        const auto device = device_of(processes);
        processes.use(device);
        const auto& ranks = *processes.communicator();
        torch::nn::Linear module(torch::nn::LinearOptions(2, 1).bias(false));
        {
          const torch::NoGradGuard no_grad;
          module->weight.fill_(1);
        }
        move_to(*module, device);
        torch::optim::AdamW optimizer(module->parameters());
        module->weight.mutable_grad() = at::ones({1, 2}, at::TensorOptions(device));
        const float value = finite || ranks.rank() == 1 ? of_last : 1;
        const auto number = [&](float of) { return at::full({}, of, at::TensorOptions(device)); };
        StepLoss loss;
        loss.result.loss = number(value);
        if (own_kernels) loss.spoiled = number(std::isfinite(value) ? 0 : 1);
        take_step(optimizer, loss.average(ranks, *module));
        weights[static_cast<std::size_t>(ranks.rank())] = module->weight.detach().cpu();
      });
      for (const auto& weight : weights) CHECK(weight.equal(at::ones({1, 2})) == !finite);
    }
  }
}

TEST_CASE("a collective that fails is an error on its rank") {
  fail_nccl_at(3);
  CHECK_THROWS_WITH(run_ranks(2,
                              [](Processes& processes) {
                                processes.use(device_of(processes));
                                const TemporaryFolder own;
                                train_on_device({.device = device_of(processes),
                                                 .ranks = processes.communicator()},
                                                own.path());
                              }),
                    "the link is down");
  fail_nccl_at({});
  for (const std::int64_t rank : {0, 1}) CHECK(count_sums(nccl_calls(rank)) == 4);
}

TEST_CASE("ranks agree on devices before they exchange anything") {
  const auto use = [](const std::vector<at::Device>& devices) {
    run_ranks(2, [&](Processes& processes) {
      processes.use(devices[static_cast<std::size_t>(processes.launch().rank)]);
    });
  };
  CHECK_THROWS_WITH(use({fake_device(), fake_device()}), Catch::Contains("have the same GPU"));
  CHECK_THROWS_WITH(use({fake_device(), at::kCPU}),
                    Catch::Contains("rank 1 has no GPU, rank 0 has"));
}
