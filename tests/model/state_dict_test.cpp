#include "lorentznet/state_dict.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <c10/util/Exception.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "io/file.h"
#include "io/helpers.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

StateDict sample() {
  StateDict tensors;
  tensors.emplace_back("embedding.weight", at::randn({5, 3}));
  tensors.emplace_back("embedding.bias", at::randn({5}, at::kDouble));
  tensors.emplace_back("bn.num_batches_tracked", at::full({}, 70000000000, at::kLong));
  tensors.emplace_back("scale", at::full({}, 0.25, at::kFloat));
  tensors.emplace_back("transposed", at::arange(12, at::kFloat).view({3, 4}).t());
  tensors.emplace_back("every_other", at::arange(12, at::kFloat).slice(0, 1, 12, 2));
  tensors.emplace_back("nothing", at::empty({0, 7}));
  tensors.emplace_back("parameter", at::randn({300, 2}).requires_grad_());
  return tensors;
}

void check_equal(const StateDict& found, const StateDict& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO(expected[i].first);
    CHECK(found[i].first == expected[i].first);
    CHECK(found[i].second.scalar_type() == expected[i].second.scalar_type());
    CHECK(found[i].second.equal(expected[i].second.cpu()));
    CHECK(found[i].second.is_contiguous());
    CHECK_FALSE(found[i].second.requires_grad());
    CHECK(found[i].second.storage().nbytes() == found[i].second.nbytes());
  }
}

std::int64_t count_parameters(const StateDict& tensors) {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : tensors) {
    const bool statistic = name.find(".running_") != std::string::npos ||
                           name.find(".num_batches_tracked") != std::string::npos;
    if (!statistic) count += tensor.numel();
  }
  return count;
}

const at::Tensor& find(const StateDict& tensors, const std::string& name) {
  for (const auto& entry : tensors) {
    if (entry.first == name) return entry.second;
  }
  throw std::out_of_range(name);
}

}  // namespace

TEST_CASE("a state dict is read back as it was written") {
  const TemporaryFolder folder;
  const StateDict tensors = sample();
  write_state_dict(folder / "a.pt", tensors);
  check_equal(read_state_dict(folder / "a.pt"), tensors);

  write_state_dict(folder / "none.pt", {});
  CHECK(read_state_dict(folder / "none.pt").empty());
}

TEST_CASE("equal content gives equal bytes, other content others") {
  const TemporaryFolder folder;
  const auto bytes_of = [&](const StateDict& tensors) {
    write_state_dict(folder / "a.pt", tensors);
    return read_file(folder / "a.pt", 1 << 20);
  };
  StateDict tensors = sample();
  const std::string bytes = bytes_of(tensors);
  for (auto& entry : tensors) entry.second = entry.second.clone();
  CHECK(bytes_of(tensors) == bytes);
  tensors.front().second = at::randn({5, 3});
  CHECK(bytes_of(tensors) != bytes);
}

TEST_CASE("what can't be a checkpoint isn't written, and the old one stays") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.pt", "old");
  const auto refuse = [&](const std::string& name, const at::Tensor& tensor) {
    StateDict tensors = sample();
    tensors.emplace_back(name, tensor);
    CHECK_THROWS_AS(write_state_dict(path, tensors), c10::Error);
  };
  refuse("half", at::full({2}, 1, at::kHalf));
  refuse("undefined", at::Tensor());
  refuse("scale", at::randn({2}));
  refuse("module.scale", at::randn({2}));
  CHECK(read_file(path, 100) == "old");
  CHECK_THROWS_AS(write_state_dict(folder.path() / "missing" / "a.pt", sample()),
                  std::system_error);
}

TEST_CASE("the published checkpoints are read") {
  const auto reference = reference_dir();
  if (!reference) return skip("no reference folder");
  struct Published {
    const char* task;
    std::int64_t parameters;
    std::int64_t scalars;
  };
  for (const auto& [task, parameters, scalars] :
       {Published{"top", 224072, 2}, Published{"qg", 227096, 8}}) {
    const StateDict tensors = read_state_dict(*reference / task / "best-val-model.pt");
    CHECK(tensors.size() == 135);
    CHECK(tensors.front().first == "embedding.weight");
    CHECK(tensors.back().first == "graph_dec.3.bias");
    CHECK(count_parameters(tensors) == parameters);
    CHECK(find(tensors, "embedding.weight").sizes() == at::IntArrayRef({72, scalars}));
    CHECK(find(tensors, "LGEBs.0.phi_e.0.weight").sizes() == at::IntArrayRef({72, 146}));
    CHECK(find(tensors, "LGEBs.5.phi_h.0.weight").sizes() == at::IntArrayRef({72, 144 + scalars}));
    const at::Tensor& steps = find(tensors, "LGEBs.0.phi_e.1.num_batches_tracked");
    CHECK(steps.scalar_type() == at::kLong);
    CHECK(steps.dim() == 0);
    CHECK(steps.item<std::int64_t>() > 10000);
    CHECK(find(tensors, "LGEBs.3.phi_e.1.running_var").min().item<float>() >= 0);

    const TemporaryFolder folder;
    write_state_dict(folder / "again.pt", tensors);
    check_equal(read_state_dict(folder / "again.pt"), tensors);
  }
}

TEST_CASE("a plain dict of doubles, as Python saves it, is read") {
  const auto reference = reference_dir();
  if (!reference) return skip("no reference folder");
  for (const char* name : {"qg_train_init.pt", "top_train_init.pt", "qg_trajectory_init.pt"}) {
    const StateDict tensors = read_state_dict(*reference / "golden" / name);
    CHECK(tensors.front().first == "embedding.weight");
    CHECK(tensors.front().second.scalar_type() == at::kDouble);
    CHECK(tensors.back().second.numel() == 2);
  }
}
