#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <torch/autograd.h>

#include "kernels/engine_choice.h"
#include "kernels/fused_autograd.h"
#include "kernels/fused_batch.h"
#include "kernels/fused_kernel.h"

namespace lorentznet {
namespace {

template <typename T>
std::vector<at::Tensor> run(const fused::Engine<T>& engine, const JetGraph& graph,
                            const std::vector<at::Tensor>& arguments,
                            torch::nn::BatchNorm1dImpl& norm, std::int64_t most_kept,
                            const std::shared_ptr<const Communicator>& ranks) {
  const auto forward = [&](FusedBatch<T>& batch, bool keep) {
    const bool training = norm.is_training();
    const auto statistics = batch.project(training);
    const auto edges = static_cast<double>(batch.num_edges());
    batch.set_norm(training ? batch_norm_of(norm, statistics, edges, ranks) : running_norm(norm));
    if (!keep) return batch.forward(Kept::kNothing);
    return batch.forward(batch.size_of_all() <= most_kept ? Kept::kAll : Kept::kLeast);
  };
  return run_part(std::make_unique<FusedBatch<T>>(engine, graph.offsets(), arguments), arguments,
                  forward);
}

}  // namespace

EdgeSums FusedEdgeKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                  const at::Tensor& x, const JetGraph& graph) const {
  TORCH_CHECK(h.is_cpu() && x.scalar_type() == at::kDouble,
              "the fused kernel takes coordinates in double on the CPU, not ", x.toString());
  const auto& weight = parameters.edge_in->weight;
  const auto hidden = h.size(1);
  const auto both = at::cat({weight.narrow(1, 0, hidden), weight.narrow(1, hidden, hidden)});
  std::vector<at::Tensor> arguments{h,
                                    x,
                                    both,
                                    weight.select(1, 2 * hidden),
                                    weight.select(1, 2 * hidden + 1),
                                    parameters.edge_norm->weight,
                                    parameters.edge_norm->bias,
                                    parameters.edge_out->weight,
                                    parameters.edge_out->bias,
                                    parameters.gate->weight,
                                    parameters.gate->bias};
  if (!parameters.move_in.is_empty()) {
    arguments.insert(arguments.end(), {parameters.move_in->weight, parameters.move_in->bias,
                                       parameters.move_out->weight});
  }
  auto& norm = *parameters.edge_norm.ptr();
  const auto sums = h.scalar_type() == at::kDouble
                        ? run(engine_of<double>(isa_), graph, arguments, norm, most_kept_, ranks_)
                        : run(engine_of<float>(isa_), graph, arguments, norm, most_kept_, ranks_);
  return {.message = sums[0], .translation = sums.size() > 1 ? sums[1] : at::Tensor()};
}

}  // namespace lorentznet
