// A network packed from named arrays against the paper's formulas, written out in double.
#include "tagger/network.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <thread>

#include "io/helpers.h"
#include "lorentznet/error.h"
#include "random_network.h"
#include "support.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

using Values = std::vector<double>;

constexpr double kCWeight = 5e-3;
const std::string kFile = "file.pt";

/// LorentzNet as arXiv:2201.08187 writes it, node by node and edge by edge.
class PlainNetwork {
 public:
  explicit PlainNetwork(const StateDict& state) : shape_(network_shape(state, kFile)) {
    for (const auto& [name, array] : state) {
      auto& values = arrays_[name];
      if (array.type() == ElementType::kFloat) {
        values.assign(array.as<float>().begin(), array.as<float>().end());
      } else if (array.type() == ElementType::kDouble) {
        values.assign(array.as<double>().begin(), array.as<double>().end());
      }
    }
  }

  Values logits(const Jet& jet) const {
    std::vector<Values> h, s;
    auto x = jet.x;
    for (int i = 0; i < jet.n; ++i) {
      const auto first = jet.scalars.begin() + i * shape_.scalars;
      s.emplace_back(first, first + shape_.scalars);
      h.push_back(linear("embedding", s.back()));
    }
    for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
      pass(jet.n, "LGEBs." + std::to_string(layer) + ".", s, h, x);
    }
    Values pooled(static_cast<std::size_t>(shape_.hidden));
    for (const auto& node : h) {
      for (std::size_t c = 0; c < pooled.size(); ++c) pooled[c] += node[c] / jet.n_nodes;
    }
    return linear("graph_dec.3", relu(linear("graph_dec.0", pooled)));
  }

 private:
  Values linear(const std::string& name, const Values& in) const {
    const auto& weight = arrays_.at(name + ".weight");
    const auto bias = arrays_.find(name + ".bias");
    Values out(weight.size() / in.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k] = std::inner_product(in.begin(), in.end(), weight.begin() + k * in.size(),
                                  bias == arrays_.end() ? 0.0 : bias->second[k]);
    }
    return out;
  }

  Values norm(const std::string& name, Values y) const {
    for (std::size_t c = 0; c < y.size(); ++c) {
      y[c] = (y[c] - arrays_.at(name + ".running_mean")[c]) /
                 std::sqrt(arrays_.at(name + ".running_var")[c] + 1e-5) *
                 arrays_.at(name + ".weight")[c] +
             arrays_.at(name + ".bias")[c];
    }
    return y;
  }

  static Values relu(Values y) {
    for (double& value : y) value = std::max(value, 0.0);
    return y;
  }

  static double psi(double p) { return std::copysign(std::log1p(std::abs(p)), p); }
  static double dot(const double* p, const double* q) {
    return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3];
  }

  void pass(int n, const std::string& layer, const std::vector<Values>& s, std::vector<Values>& h,
            Values& x) const {
    const auto before = h;
    const auto p = x;
    for (int i = 0; i < n; ++i) {
      Values message(static_cast<std::size_t>(shape_.hidden));
      for (int j = 0; j < n; ++j) {
        if (i == j) continue;
        double d[4];
        for (int k = 0; k < 4; ++k) d[k] = p[4 * i + k] - p[4 * j + k];
        auto in = before[i];
        in.insert(in.end(), before[j].begin(), before[j].end());
        in.insert(in.end(), {psi(dot(d, d)), psi(dot(&p[4 * i], &p[4 * j]))});
        auto m = relu(linear(layer + "phi_e.3",
                             relu(norm(layer + "phi_e.1", linear(layer + "phi_e.0", in)))));
        const double gate = 1 / (1 + std::exp(-linear(layer + "phi_m.0", m)[0]));
        for (double& value : m) value *= gate;
        for (std::size_t c = 0; c < m.size(); ++c) message[c] += m[c];
        if (!arrays_.contains(layer + "phi_x.0.weight")) continue;
        const double phi = linear(layer + "phi_x.2", relu(linear(layer + "phi_x.0", m)))[0];
        for (int k = 0; k < 4; ++k) {
          x[4 * i + k] += kCWeight / std::max(n - 1, 1) * std::clamp(d[k] * phi, -100.0, 100.0);
        }
      }
      auto in = before[i];
      in.insert(in.end(), message.begin(), message.end());
      in.insert(in.end(), s[i].begin(), s[i].end());
      const auto update =
          linear(layer + "phi_h.3", relu(norm(layer + "phi_h.1", linear(layer + "phi_h.0", in))));
      for (std::size_t c = 0; c < update.size(); ++c) h[i][c] += update[c];
    }
  }

  NetworkShape shape_;
  std::map<std::string, Values> arrays_;
};

template <typename T>
Values logits_of(const Network<T>& network, const Jet& jet) {
  const std::vector<T> scalars(jet.scalars.begin(), jet.scalars.end());
  std::vector<T> out(static_cast<std::size_t>(network.shape().classes));
  network.logits({.n = jet.n,
                  .x = jet.x.data(),
                  .scalars = scalars.data(),
                  .n_nodes = static_cast<T>(jet.n_nodes)},
                 out.data());
  return {out.begin(), out.end()};
}

void check_close(const Values& found, const Values& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    CHECK(std::abs(found[k] - expected[k]) <= tolerance * (1 + std::abs(expected[k])));
  }
}

std::vector<Isa> instruction_sets_here() {
  std::vector<Isa> sets;
  for (const auto isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
    if (runs_here(isa)) sets.push_back(isa);
  }
  return sets;
}

/// Networks of float against the definition in double, for a few sizes of jets.
void check_network(const StateDict& state, double float_tolerance) {
  const PlainNetwork plain(state);
  const auto shape = network_shape(state, kFile);
  const Network<double> in_double(state, kCWeight, Isa::kPortable, kFile);
  for (const int n : {1, 2, 3, 8, 17, 33}) {
    CAPTURE(n);
    const auto jet = random_jet(n, shape.scalars, static_cast<unsigned>(n));
    const auto expected = plain.logits(jet);
    check_close(logits_of(in_double, jet), expected, 1e-11);
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(name(isa));
      const Network<float> network(state, kCWeight, isa, kFile);
      check_close(logits_of(network, jet), expected, float_tolerance);
    }
  }
}

std::string error_without(const std::string& name) {
  auto state = random_state({.scalars = 2, .hidden = 12, .classes = 2, .layers = 2});
  std::erase_if(state, [&](const auto& entry) { return entry.first == name; });
  return input_error_naming(kFile,
                            [&] { Network<double>(state, kCWeight, Isa::kPortable, kFile); });
}

std::string error_with(const std::string& name, const Array& array) {
  auto state = random_state({.scalars = 2, .hidden = 12, .classes = 2, .layers = 2});
  const auto entry = std::find_if(state.begin(), state.end(),
                                  [&](const auto& known) { return known.first == name; });
  if (entry != state.end()) {
    entry->second = array;
  } else {
    state.emplace_back(name, array);
  }
  return input_error_naming(kFile,
                            [&] { Network<double>(state, kCWeight, Isa::kPortable, kFile); });
}

}  // namespace

TEST_CASE("packed network: a small random one agrees with the formulas") {
  check_network(random_state({.scalars = 3, .hidden = 20, .classes = 4, .layers = 3}), 1e-4);
  check_network(random_state({.scalars = 1, .hidden = 8, .classes = 2, .layers = 1}), 1e-4);
}

TEST_CASE("packed network: the shipped ones agree with the formulas") {
  for (const auto* task : {"top", "qg"}) {
    CAPTURE(task);
    const auto file = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "logs" / task / "pretrained" /
                      "best-val-model.pt";
    check_network(read_state_dict(file), 1e-3);
  }
}

TEST_CASE("packed network: its shape is that of the arrays") {
  const auto state = random_state({.scalars = 3, .hidden = 20, .classes = 4, .layers = 3});
  const auto shape = network_shape(state, kFile);
  CHECK(shape.scalars == 3);
  CHECK(shape.hidden == 20);
  CHECK(shape.classes == 4);
  CHECK(shape.layers == 3);
}

TEST_CASE("packed network: several threads share one") {
  const auto state = random_state({.scalars = 3, .hidden = 20, .classes = 4, .layers = 3});
  const Network<float> network(state, kCWeight, choose_isa(), kFile);
  const auto jet = random_jet(30, 3, 1);
  const auto expected = logits_of(network, jet);
  std::vector<Values> found(8);
  {
    std::vector<std::jthread> threads;
    for (auto& out : found) threads.emplace_back([&] { out = logits_of(network, jet); });
  }
  for (const auto& logits : found) CHECK(logits == expected);
}

TEST_CASE("packed network: a tensor that is missing, left over or of another shape is named") {
  REQUIRE(error_without("").empty());
  for (const auto& [name, array] :
       random_state({.scalars = 2, .hidden = 12, .classes = 2, .layers = 2})) {
    CAPTURE(name);
    if (name != "LGEBs.1.phi_m.0.weight") {  // without it, layer 1 does not count
      CHECK_THAT(error_without(name), Contains("tensor " + name + " of the network is missing"));
    }
    if (name.ends_with("num_batches_tracked")) continue;
    CHECK_THAT(error_with(name, Array({5, 1, 2}, Values(10))),
               Contains("tensor " + name + " has shape [5, 1, 2]"));
    const auto sizes = array.shape();
    const std::vector<std::int64_t> integers(static_cast<std::size_t>(array.element_count()));
    CHECK_THAT(error_with(name, Array(sizes, integers)),
               Contains("tensor " + name + " holds integers"));
  }
  CHECK_THAT(error_without("LGEBs.1.phi_m.0.weight"), Contains("is not one of the network's"));
  CHECK_THAT(error_with("other", Array({1}, Values(1))),
             Contains("tensor other is not one of the network's"));
  CHECK_THAT(error_with("embedding.weight", Array({0, 2}, Values{})),
             Contains("expected a matrix of 1 to 4096"));
  CHECK_THAT(error_with("embedding.weight", Array({1, 5000}, Values(5000))),
             Contains("[1, 5000], expected a matrix of 1 to 4096"));
}

TEST_CASE("packed network: a width that was not tested is refused") {
  for (const std::int64_t hidden : {257, 300}) {
    const auto state = random_state({.scalars = 2, .hidden = hidden, .classes = 2, .layers = 2});
    for (const auto isa : instruction_sets_here()) {
      CAPTURE(hidden, name(isa));
      const auto error =
          input_error_naming(kFile, [&] { Network<float>(state, kCWeight, isa, kFile); });
      CHECK_THAT(error, Contains("n_hidden is " + std::to_string(hidden) +
                                 ", the fused kernel computes up to 256"));
    }
  }
}

TEST_CASE("packed network: a jet that can't be scored is refused, and others are not") {
  const auto state = random_state({.scalars = 2, .hidden = 8, .classes = 2, .layers = 2});
  const Network<float> network(state, kCWeight, choose_isa(), kFile);
  const auto refused = [&](const Jet& jet, const std::string& text) {
    CHECK_THROWS_AS(logits_of(network, jet), InputError);
    CHECK_THROWS_WITH(logits_of(network, jet), Contains(text));
  };
  const auto good = random_jet(2, 2, 1);
  CHECK(logits_of(network, good).size() == 2);
  auto jet = good;
  jet.n = 0;
  refused(jet, "a jet of 0 nodes");
  jet.n = -1;
  refused(jet, "a jet of -1 nodes");
  jet = good;
  for (const double n_nodes : {0., -2., std::nan("")}) {
    jet.n_nodes = n_nodes;
    refused(jet, "n_nodes of a jet is");
  }
  jet = good;
  jet.scalars.clear();
  refused(jet, "without momenta, scalars");
}
