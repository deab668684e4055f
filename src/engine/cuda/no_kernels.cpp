// In place of kernels.cu in a build without nvcc.
#include <stdexcept>

#include "engine/cuda/cuda_inference.h"
#include "engine/cuda/cuda_kernels.h"
#include "engine/cuda/cuda_training.h"

namespace lorentznet::cuda {

std::string why_no_kernels(int, int) { return "this build has no CUDA kernels"; }

std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network, Precision) {
  throw std::invalid_argument(why_no_kernels(network.hidden, network.scalars));
}

std::unique_ptr<TrainingPass> begin_training_pass(const NetworkShape& shape, TrainingPrecision,
                                                  const NetworkArrays<const float>&,
                                                  const std::vector<RunningOfLayer>&,
                                                  const TrainingBatch&, Surroundings&, float*) {
  throw std::invalid_argument(why_no_kernels(shape.hidden, shape.scalars));
}

void score_jets(const JetScores&) { throw std::invalid_argument(why_no_kernels(0, 0)); }

}  // namespace lorentznet::cuda
