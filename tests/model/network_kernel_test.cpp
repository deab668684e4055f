// Which kernel a network has, and what it refuses.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <catch2/catch.hpp>

#include "named_tensors.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("a network says which kernel it has") {
  LorentzNet network(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  CHECK(network->kernel_name() == "plain");
  for (const auto isa : instruction_sets_here()) {
    network->use_fused_kernel(isa);
    CHECK(network->kernel_name() == "fused " + std::string(name(isa)));
  }
  network->use_plain_kernel();
  CHECK(network->kernel_name() == "plain");
}

TEST_CASE("a kernel that can't do what it is asked for is an error, and the old one stays") {
  LorentzNet network(
      LorentzNetOptions{.n_hidden = 8, .n_layers = 1, .coordinates = Coordinates::kNetwork});
  CHECK_THROWS_WITH(network->use_fused_kernel(Isa::kPortable),
                    Catch::Contains("coordinates in float"));
  CHECK(network->kernel_name() == "plain");
  for (const std::int64_t width : {7, 257}) {
    LorentzNet odd(LorentzNetOptions{.n_hidden = width, .n_layers = 1});
    CHECK_THROWS_WITH(odd->use_fused_kernel(Isa::kPortable), Catch::Contains("n_hidden"));
    CHECK(odd->kernel_name() == "plain");
  }

  LorentzNet other(LorentzNetOptions{.n_hidden = 8, .n_layers = 1});
  for (const auto isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (runs_here(isa)) continue;
    CHECK_THROWS_WITH(other->use_fused_kernel(isa), Catch::Contains("does not run"));
    CHECK(other->kernel_name() == "plain");
  }
}

TEST_CASE("a network of double on AVX is an error, in training and in inference") {
  const auto batch = whole_batch(sample_jets(top_tagging(), 1), top_tagging());
  for (const auto isa : instruction_sets_here()) {
    if (isa == Isa::kPortable) continue;
    auto model = small_network(top_tagging());
    model->use_fused_kernel(isa);
    CHECK_THROWS_WITH(model->forward(batch), Catch::Contains("on the portable instruction set"));
    model->eval();
    const torch::NoGradGuard no_grad;
    CHECK_THROWS_WITH(model->forward(batch), Catch::Contains("on the portable instruction set"));
  }
}
