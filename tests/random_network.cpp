#include "random_network.h"

#include <cmath>
#include <random>
#include <string>
#include <utility>

namespace lorentznet::test {

using Values = std::vector<double>;

Jet random_jet(int n, std::int64_t scalars, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  Jet jet{.n = n, .x = {}, .scalars = {}, .n_nodes = n + 3.0};
  for (int i = 0; i < n; ++i) {
    double p[3], square = 0;
    for (double& component : p) {
      component = 20 * normal(engine);
      square += component * component;
    }
    jet.x.insert(jet.x.end(), {std::sqrt(square + 0.02), p[0], p[1], p[2]});
  }
  for (int k = 0; k < n * scalars; ++k) jet.scalars.push_back(normal(engine));
  return jet;
}

StateDict random_state(const NetworkShape& shape) {
  StateDict state;
  std::mt19937 engine(7);
  std::normal_distribution<double> normal;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> sizes, double about = 0) {
    std::int64_t count = 1;
    for (const auto size : sizes) count *= size;
    Values values;
    const double width = about > 0 ? 0.1 : 1 / std::sqrt(static_cast<double>(sizes.back()));
    for (std::int64_t k = 0; k < count; ++k) values.push_back(about + width * normal(engine));
    state.emplace_back(name, Array(std::move(sizes), std::move(values)));
  };
  const auto norm = [&](const std::string& name, std::int64_t size) {
    add(name + ".weight", {size}, 1);
    add(name + ".bias", {size});
    add(name + ".running_mean", {size});
    add(name + ".running_var", {size}, 1);
    state.emplace_back(name + ".num_batches_tracked", Array({}, std::vector<std::int64_t>{1}));
  };
  const auto h = shape.hidden;
  add("embedding.weight", {h, shape.scalars});
  add("embedding.bias", {h});
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    const auto prefix = "LGEBs." + std::to_string(layer) + ".";
    add(prefix + "phi_e.0.weight", {h, 2 * h + 2});
    norm(prefix + "phi_e.1", h);
    add(prefix + "phi_e.3.weight", {h, h});
    add(prefix + "phi_e.3.bias", {h});
    add(prefix + "phi_h.0.weight", {h, 2 * h + shape.scalars});
    add(prefix + "phi_h.0.bias", {h});
    norm(prefix + "phi_h.1", h);
    add(prefix + "phi_h.3.weight", {h, h});
    add(prefix + "phi_h.3.bias", {h});
    if (layer + 1 < shape.layers) {
      add(prefix + "phi_x.0.weight", {h, h});
      add(prefix + "phi_x.0.bias", {h});
      add(prefix + "phi_x.2.weight", {1, h});
    }
    add(prefix + "phi_m.0.weight", {1, h});
    add(prefix + "phi_m.0.bias", {1});
  }
  add("graph_dec.0.weight", {h, h});
  add("graph_dec.0.bias", {h});
  add("graph_dec.3.weight", {shape.classes, h});
  add("graph_dec.3.bias", {shape.classes});
  return state;
}

}  // namespace lorentznet::test
