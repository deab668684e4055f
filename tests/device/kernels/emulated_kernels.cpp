// In place of a GPU's kernels, or of the source that says that there are none: the same kernels on
// the emulator (tests/emulator), in the memory of a fake device, of two widths.
#include "emulated_kernels.h"

#include <stdexcept>

#include "engine/cuda/cuda_kernels.h"
#include "engine/cuda/inference_of.h"
#include "engine/cuda/training_of.h"

namespace lorentznet::cuda {
namespace {

std::string why_no_width(int hidden) {
  return hidden == 16 || hidden == 24 ? "" : "n_hidden is neither 16 nor 24";
}

template <template <typename, int> class Of, typename Made, typename Op, typename... Arguments>
std::unique_ptr<Made> make(int hidden, Arguments&&... arguments) {
  const auto obstacle = why_no_width(hidden);
  if (!obstacle.empty()) throw std::invalid_argument(obstacle);
  if (hidden == 16) return std::make_unique<Of<Op, 16>>(arguments...);
  return std::make_unique<Of<Op, 24>>(arguments...);
}

}  // namespace

std::string why_no_kernels(int hidden, int) { return why_no_width(hidden); }

std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network,
                                          Precision precision) {
  if (precision == Precision::kHalf) {
    return make<InferenceOf, Inference, prim::F16>(network.hidden, network);
  }
  return make<InferenceOf, Inference, prim::F16x3>(network.hidden, network);
}

std::unique_ptr<TrainingPass> begin_training_pass(const NetworkShape& shape,
                                                  TrainingPrecision precision,
                                                  const NetworkArrays<const float>& parameters,
                                                  const std::vector<RunningOfLayer>& running,
                                                  const TrainingBatch& batch,
                                                  Surroundings& surroundings, float* logits) {
  if (precision == TrainingPrecision::kHalf) {
    return make<TrainingPassOf, TrainingPass, prim::Bf16>(shape.hidden, shape, parameters, running,
                                                          batch, surroundings, logits);
  }
  return make<TrainingPassOf, TrainingPass, prim::Bf16x3>(shape.hidden, shape, parameters, running,
                                                          batch, surroundings, logits);
}

void score_jets(const JetScores& scores) { launch_score_jets(scores); }

}  // namespace lorentznet::cuda

namespace lorentznet::test {

long emulated_launches() { return cuda::prim::launches(); }

}  // namespace lorentznet::test
