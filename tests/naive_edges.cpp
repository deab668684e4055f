#include "naive_edges.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <map>

namespace lorentznet::test {
namespace {

double psi(double p) { return p > 0 ? std::log(1 + p) : -std::log(1 - p); }

double dot(const double* p, const double* q) {
  return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3];
}

}  // namespace

NaiveEdges naive_edges(const NamedTensors& state, int layer, const LGEBState& in,
                       const JetGraph& graph) {
  const torch::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> tensors(state.begin(), state.end());
  const auto prefix = "LGEBs." + std::to_string(layer) + ".";
  const auto get = [&](const std::string& name) { return tensors.at(prefix + name); };
  const bool moves = tensors.contains(prefix + "phi_x.0.weight");
  const auto x = in.x.contiguous();
  const double* p = x.const_data_ptr<double>();

  NaiveEdges out{.message = at::zeros_like(in.h), .translation = at::zeros_like(x)};
  const auto& offsets = graph.offsets();
  for (std::size_t jet = 0; jet + 1 < offsets.size(); ++jet) {
    for (auto i = offsets[jet]; i < offsets[jet + 1]; ++i) {
      for (auto j = offsets[jet]; j < offsets[jet + 1]; ++j) {
        if (i == j) continue;
        double d[4];
        for (int k = 0; k < 4; ++k) d[k] = p[4 * i + k] - p[4 * j + k];
        const auto products =
            at::tensor({psi(dot(d, d)), psi(dot(p + 4 * i, p + 4 * j))}, at::kDouble);
        auto e = at::mv(get("phi_e.0.weight"), at::cat({in.h[i], in.h[j], products}));
        e = (e - get("phi_e.1.running_mean")) / at::sqrt(get("phi_e.1.running_var") + 1e-5) *
                get("phi_e.1.weight") +
            get("phi_e.1.bias");
        e = at::relu(at::mv(get("phi_e.3.weight"), at::relu(e)) + get("phi_e.3.bias"));
        const auto m =
            e * at::sigmoid(at::dot(get("phi_m.0.weight")[0], e) + get("phi_m.0.bias")[0]);
        out.message[i] += m;
        if (!moves) continue;
        const auto phi = at::dot(get("phi_x.2.weight")[0],
                                 at::relu(at::mv(get("phi_x.0.weight"), m) + get("phi_x.0.bias")))
                             .item<double>();
        for (int k = 0; k < 4; ++k) {
          out.translation[i][k] += d[k] * phi;
          out.largest_translation = std::max(out.largest_translation, std::abs(d[k] * phi));
        }
      }
    }
  }
  return out;
}

}  // namespace lorentznet::test
