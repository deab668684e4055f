// Tensors that do not fit each other, or the engine, are refused by either kernel with both values.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>
#include <functional>

#include "edge_case.h"
#include "kernels/fused_kernel.h"
#include "kernels/plain_kernel.h"
#include "lorentznet/error.h"
#include "node_case.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

std::vector<LGEBKernels> both_kernels(const std::shared_ptr<const Communicator>& ranks) {
  std::vector<LGEBKernels> kernels;
  kernels.push_back(plain_kernels(ranks));
  kernels.push_back(fused_kernels(Isa::kPortable, ranks));
  return kernels;
}

void check_refused(const std::function<void()>& call, const std::vector<std::string>& texts) {
  try {
    call();
    FAIL("not refused: " << texts.front());
  } catch (const std::invalid_argument& error) {
    for (const auto& text : texts) CHECK_THAT(error.what(), Contains(text));
  }
}

}  // namespace

TEST_CASE("border: offsets of a graph without sense are refused") {
  const auto refused = [](std::vector<std::int64_t> offsets, const std::string& text) {
    CHECK_THROWS_AS(JetGraph(offsets, at::kCPU), InputError);
    CHECK_THROWS_WITH(JetGraph(offsets, at::kCPU), Contains(text));
  };
  refused({}, "offsets");
  refused({2, 3}, "begin at 2");
  refused({0, 2, 2, 3}, "jet 1 has no nodes");
  refused({0, 3, 2}, "jet 1 has no nodes");
}

TEST_CASE("border: edges whose tensors do not fit are refused") {
  const torch::NoGradGuard no_grad;
  const auto edges = random_edges({.sizes = {2, 3}, .hidden = 12}, at::kFloat);
  const JetGraph graph({0, 2, 5}, at::kCPU), other({0, 2, 6}, at::kCPU);
  for (const auto& kernels : both_kernels(single_process())) {
    const auto refused = [&](const at::Tensor& h, const at::Tensor& x, const JetGraph& of,
                             const std::vector<std::string>& texts) {
      check_refused([&] { kernels.edges->forward(edges.parameters, h, x, of); }, texts);
    };
    CHECK(kernels.edges->forward(edges.parameters, edges.h, edges.x, graph).message.size(0) == 5);
    refused(edges.h, edges.x, other, {"h is [5, 12]", "[6, 12]"});
    refused(edges.h.narrow(1, 0, 11), edges.x, graph, {"h is [5, 11]", "[5, 12]"});
    refused(edges.h, edges.x.narrow(0, 0, 4), graph, {"x is [4, 4]", "[5, 4]"});
    refused(edges.h, edges.x.narrow(1, 0, 3), graph, {"x is [5, 3]", "[5, 4]"});
    refused(edges.h.to(at::kDouble), edges.x, graph, {"h is of Double", "Float"});
    refused(edges.h.to(at::kMeta), edges.x, graph, {"h is on meta", "cpu"});
    refused(edges.h, edges.x.to(at::kMeta), graph, {"x is on meta", "cpu"});
  }
}

TEST_CASE("border: nodes whose tensors do not fit are refused") {
  const torch::NoGradGuard no_grad;
  const auto nodes = random_nodes({.rows = 5, .hidden = 12, .scalars = 2}, at::kFloat);
  for (const auto& kernels : both_kernels(single_process())) {
    const auto run = [&](const at::Tensor& h, const at::Tensor& message, const at::Tensor& scalars,
                         double ghost) {
      return kernels.nodes->forward(nodes.parameters, h, message, scalars, ghost);
    };
    CHECK(run(nodes.h, nodes.message, nodes.scalars, 0).size(0) == 5);
    const auto refused = [&](const at::Tensor& h, const at::Tensor& message,
                             const at::Tensor& scalars, double ghost,
                             const std::vector<std::string>& texts) {
      check_refused([&] { run(h, message, scalars, ghost); }, texts);
    };
    refused(nodes.h.narrow(1, 0, 11), nodes.message, nodes.scalars, 0, {"h is [5, 11]", "[5, 12]"});
    refused(nodes.h, nodes.message.narrow(0, 0, 4), nodes.scalars, 0, {"message is [4, 12]"});
    refused(nodes.h, nodes.message, nodes.scalars, 3, {"message is [5, 12]", "[4, 12]"});
    refused(nodes.h, nodes.message, nodes.scalars.narrow(1, 0, 1), 0, {"scalars is [5, 1]"});
    refused(nodes.h, nodes.message, at::zeros({5, 3}), 0, {"scalars is [5, 3]", "[5, 2]"});
    refused(nodes.h, nodes.message, nodes.scalars.to(at::kMeta), 0, {"scalars is on meta"});
    refused(nodes.h, nodes.message.to(at::kDouble), nodes.scalars, 0, {"message is of Double"});
  }
}

TEST_CASE("border: rows that do not fit a Linear are refused") {
  const torch::NoGradGuard no_grad;
  torch::nn::Linear layer(12, 8);
  for (const auto& kernels : both_kernels(single_process())) {
    const auto refused = [&](const at::Tensor& rows, const std::vector<std::string>& texts) {
      check_refused([&] { kernels.nodes->linear(*layer.ptr(), rows); }, texts);
    };
    refused(at::zeros({5, 11}), {"rows is [5, 11]", "[5, 12]"});
    refused(at::zeros({60}), {"rows is [60]"});
    refused(at::zeros({5, 12}, at::kDouble), {"rows is of Double", "Float"});
    refused(at::zeros({5, 12}, at::TensorOptions(at::kMeta)), {"rows is on meta"});
  }
}

TEST_CASE("border: wider networks than were tested are refused by the fused kernel") {
  const torch::NoGradGuard no_grad;
  const JetGraph graph({0, 2, 5}, at::kCPU);
  for (const std::int64_t hidden : {257, 300}) {
    const auto edges = random_edges({.sizes = {2, 3}, .hidden = hidden}, at::kFloat);
    const auto nodes = random_nodes({.rows = 5, .hidden = hidden}, at::kFloat);
    const auto text = "n_hidden " + std::to_string(hidden) + " is above 256";
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(hidden, name(isa));
      const auto kernels = fused_kernels(isa);
      check_refused([&] { kernels.edges->forward(edges.parameters, edges.h, edges.x, graph); },
                    {text});
      check_refused(
          [&] {
            kernels.nodes->forward(nodes.parameters, nodes.h, nodes.message, nodes.scalars, 0);
          },
          {text});
    }
  }
}
