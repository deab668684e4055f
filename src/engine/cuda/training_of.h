#pragma once

#include "engine/cuda/training_backward.h"

namespace lorentznet::cuda {

template <typename Op, int H>
class TrainingPassOf final : public TrainingPass {
 public:
  TrainingPassOf(const NetworkShape& shape, const NetworkArrays<const float>& parameters,
                 const std::vector<RunningOfLayer>& running, const TrainingBatch& batch,
                 Surroundings& surroundings, float* pooled)
      : forward_(shape, parameters, batch, surroundings) {
    forward_.run(running, batch, surroundings, pooled);
  }

  void backward(const float* pooled, const NetworkArrays<float>& gradients,
                Surroundings& surroundings) override {
    TrainingBackward<Op, H>(forward_, surroundings).run(pooled, gradients);
  }

 private:
  TrainingForward<Op, H> forward_;
};

}  // namespace lorentznet::cuda
