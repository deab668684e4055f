#pragma once

#include "engine/cuda/training_backward.h"

namespace lorentznet::cuda {

inline void launch_score_jets(const JetScores& s) {
  prim::launch<ScoreJets>({}, 1, ScoreJets::shared_bytes(),
                          {.jets = s.jets,
                           .classes = s.classes,
                           .logits = s.logits,
                           .label = s.label,
                           .weight = s.weight,
                           .figures = s.figures,
                           .loss = s.loss,
                           .spoiled = s.spoiled,
                           .gradient = s.gradient});
}

template <typename Op, int H>
class TrainingPassOf final : public TrainingPass {
 public:
  TrainingPassOf(const NetworkShape& shape, const NetworkArrays<const float>& parameters,
                 const std::vector<RunningOfLayer>& running, const TrainingBatch& batch,
                 Surroundings& surroundings, float* logits)
      : forward_(shape, parameters, batch, surroundings) {
    forward_.run(running, batch, surroundings, logits);
  }

  void backward(const float* logits, const NetworkArrays<float>& gradients,
                Surroundings& surroundings) override {
    TrainingBackward<Op, H>(forward_, surroundings).run(logits, gradients);
  }

 private:
  TrainingForward<Op, H> forward_;
};

}  // namespace lorentznet::cuda
