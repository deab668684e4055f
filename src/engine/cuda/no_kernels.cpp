// In place of kernels.cu in a build without nvcc.
#include <stdexcept>

#include "engine/cuda/cuda_inference.h"

namespace lorentznet::cuda {

std::string why_no_inference(int, int) { return "this build has no CUDA kernels"; }

std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network, Precision) {
  throw std::invalid_argument(why_no_inference(network.hidden, network.scalars));
}

}  // namespace lorentznet::cuda
