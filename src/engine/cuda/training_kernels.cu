// Compiled by nvcc: the kernels of training for each width and precision.
#include <stdexcept>

#include "engine/cuda/cuda_kernels.h"
#include "engine/cuda/training_of.h"
#include "engine/cuda/widths.h"

namespace lorentznet::cuda {

std::unique_ptr<TrainingPass> begin_training_pass(const NetworkShape& shape,
                                                  TrainingPrecision precision,
                                                  const NetworkArrays<const float>& parameters,
                                                  const std::vector<RunningOfLayer>& running,
                                                  const TrainingBatch& batch,
                                                  Surroundings& surroundings, float* logits) {
  const auto obstacle = why_no_kernels(shape.hidden, shape.scalars);
  if (!obstacle.empty()) throw std::invalid_argument(obstacle);
  std::unique_ptr<TrainingPass> pass;
  with_width(shape.hidden, [&]<int H>(std::integral_constant<int, H>) {
    const auto begin = [&]<typename Op>(std::type_identity<Op>) {
      pass = std::make_unique<TrainingPassOf<Op, H>>(shape, parameters, running, batch,
                                                     surroundings, logits);
    };
    if (precision == TrainingPrecision::kFloat) {
      begin(std::type_identity<prim::Bf16x3>{});
    } else {
      begin(std::type_identity<prim::Bf16>{});
    }
  });
  return pass;
}

void score_jets(const JetScores& scores) { launch_score_jets(scores); }

}  // namespace lorentznet::cuda
