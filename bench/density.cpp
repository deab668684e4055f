#include <ATen/ATen.h>
#include <torch/utils.h>

#include "bench/measure.h"
#include "kernels/plain_kernel.h"
#include "model/lgeb.h"

namespace lorentznet::bench {
namespace {

double share_above_zero(const at::Tensor& values) {
  return (values > 0).to(at::kDouble).mean().item<double>();
}

at::Tensor psi_of_products(const at::Tensor& p, const at::Tensor& q) {
  const auto product = (p * q * at::tensor({1., -1., -1., -1.}, at::kDouble)).sum(1, true);
  return product.sign() * product.abs().log1p();
}

/// The plain kernel, which also notes what the relus of its edges leave.
class CountingEdges final : public EdgeKernel {
 public:
  explicit CountingEdges(Json& layers) : layers_(layers) {}

  EdgeSums forward(const EdgeParameters& p, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override {
    const auto of = [](const at::Tensor& nodes, const at::Tensor& index) {
      return nodes.index_select(0, index);
    };
    const auto x_i = of(x, graph.receiver()), x_j = of(x, graph.sender());
    const auto apart = psi_of_products(x_i - x_j, x_i - x_j), product = psi_of_products(x_i, x_j);
    const auto rows = at::cat({of(h, graph.receiver()), of(h, graph.sender()), apart.to(h.dtype()),
                               product.to(h.dtype())},
                              1);
    const auto z = p.edge_norm.ptr()->forward(p.edge_in.ptr()->forward(rows));
    const auto e = p.edge_out.ptr()->forward(z.relu()).relu();
    Json layer{{"z", share_above_zero(z)}, {"e", share_above_zero(e)}};
    if (!p.move_in.is_empty()) {
      const auto m = e * p.gate.ptr()->forward(e).sigmoid();
      layer["y"] = share_above_zero(p.move_in.ptr()->forward(m));
    }
    layers_.push_back(layer);
    return plain_.forward(p, h, x, graph);
  }

 private:
  Json& layers_;
  PlainEdgeKernel plain_;
};

}  // namespace

Json densities(const Workload& workload) {
  constexpr std::int64_t kJets = 8;
  const torch::NoGradGuard no_grad;
  auto network = make_network(workload, {});
  network->eval();
  const auto batch = alike_batches(workload, kJets, 1, Mode::kInference).front();
  Json layers = Json::array();
  network->states(batch, JetGraph(batch.offsets, at::kCPU),
                  {.edges = std::make_unique<CountingEdges>(layers),
                   .nodes = std::make_unique<PlainNodeKernel>()});
  return layers;
}

double share_of_products(const Json& layers, Mode mode) {
  double done = 0, products = 0;
  for (const auto& layer : layers) {
    const double z = layer.at("z"), e = layer.at("e");
    const bool moves = layer.contains("y");
    products += moves ? 2 : 1;
    // Forward phi_e.3 and phi_x.0; backward the gradients of their inputs and weights.
    done += z + (moves ? e : 0);
    if (mode == Mode::kTraining) done += 2 * e + (moves ? layer.at("y").get<double>() + e : 0);
  }
  return done / (products * (mode == Mode::kTraining ? 4 : 1));
}

}  // namespace lorentznet::bench
