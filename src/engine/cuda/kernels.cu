// Compiled by nvcc: the kernels of inference for each width and precision.
#include <stdexcept>

#include "engine/cuda/cuda_kernels.h"
#include "engine/cuda/inference_of.h"
#include "engine/cuda/widths.h"

namespace lorentznet::cuda {

std::string why_no_kernels(int hidden, int scalars) {
  const auto obstacle = why_no_width(hidden, scalars);
  return obstacle.empty() ? prim::why_not_on_this_gpu() : obstacle;
}

std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network,
                                          Precision precision) {
  const auto obstacle = why_no_kernels(network.hidden, network.scalars);
  if (!obstacle.empty()) throw std::invalid_argument(obstacle);
  std::unique_ptr<Inference> inference;
  with_width(network.hidden, [&]<int H>(std::integral_constant<int, H>) {
    if (precision == Precision::kFloat) {
      inference = std::make_unique<InferenceOf<prim::F16x3, H>>(network);
    } else {
      inference = std::make_unique<InferenceOf<prim::F16, H>>(network);
    }
  });
  return inference;
}

}  // namespace lorentznet::cuda
