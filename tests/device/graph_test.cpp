// Edge lists made on a device.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "fake_device.h"
#include "kernels/kernel.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("edge lists are made on the device, and the host waits for nothing") {
  const std::vector<std::int64_t> offsets{0, 3, 4, 6, 7, 24};
  const JetGraph on_cpu(offsets, at::kCPU);
  const auto before = device_counts();
  const JetGraph graph(offsets, fake_device());
  graph.receiver();
  const auto counts = device_counts().since(before);
  CHECK(counts.waits == 0);
  CHECK(counts.to_device == 1);
  CHECK(counts.to_host == 0);
  std::vector<std::int64_t> receiver, sender;
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    for (auto i = offsets[jet]; i < offsets[jet + 1]; ++i) {
      for (auto j = offsets[jet]; j < offsets[jet + 1]; ++j) {
        if (j == i) continue;
        receiver.push_back(i);
        sender.push_back(j);
      }
    }
  }
  for (const auto* one : {&on_cpu, &graph}) {
    CHECK(at::equal(cpu_view(one->receiver()), at::tensor(receiver, at::kLong)));
    CHECK(at::equal(cpu_view(one->sender()), at::tensor(sender, at::kLong)));
    const auto opposite = cpu_view(one->opposite());
    CHECK(at::equal(at::tensor(receiver).index_select(0, opposite), at::tensor(sender)));
    CHECK(at::equal(at::tensor(sender).index_select(0, opposite), at::tensor(receiver)));
    CHECK(at::equal(cpu_view(one->jet()), cpu_view(on_cpu.jet())));
    CHECK(at::equal(cpu_view(one->degree()), cpu_view(on_cpu.degree())));
  }
}
