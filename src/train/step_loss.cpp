#include "train/step_loss.h"

#include <ATen/TensorOperators.h>

#include "model/gpu_training.h"
#include "parallel/collectives.h"

namespace lorentznet {

StepLoss score_step(const at::Tensor& logits, const Batch& batch) {
  if (!is_of_gpu_training(logits)) {
    return {.logits = logits, .result = score_batch(logits, batch), .gradient = {}, .spoiled = {}};
  }
  const auto scores = score_on_gpu(logits, batch);
  return {.logits = logits,
          .result = {.loss = scores.loss, .figures = scores.figures},
          .gradient = scores.gradient,
          .spoiled = scores.spoiled};
}

void StepLoss::backward() const {
  gradient.defined() ? logits.backward(gradient) : result.loss.backward();
}

at::Tensor StepLoss::average(const Communicator& ranks, const torch::nn::Module& model) const {
  const auto loss = result.loss.detach();
  const auto own = spoiled.defined() ? spoiled : (loss - loss).ne(0).to(at::kFloat);
  average_gradients(ranks, model, {own});
  return ranks.size() == 1 ? own : own.ne(0).to(at::kFloat);
}

}  // namespace lorentznet
