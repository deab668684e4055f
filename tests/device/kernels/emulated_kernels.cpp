// In place of a GPU's kernels, or of the source that says that there are none: the same kernels on
// the emulator (tests/emulator), in the memory of a fake device, of two widths.
#include "emulated_kernels.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "engine/cuda/cuda_kernels.h"
#include "engine/cuda/inference_of.h"
#include "engine/cuda/training_of.h"

namespace lorentznet::cuda {
namespace {

using test::Mistake;

thread_local auto mistake = Mistake::kNone;

class MistakenInference final : public Inference {
 public:
  MistakenInference(std::unique_ptr<Inference> right, int classes)
      : right_(std::move(right)), classes_(classes) {}

  void run(const JetBatch& jets) override {
    right_->run(jets);
    auto& last =
        jets.logits[(jets.host_offsets.size() - 1) * static_cast<std::size_t>(classes_) - 1];
    if (mistake == Mistake::kLogit) last = -last;
    if (mistake == Mistake::kNotANumber) last = std::nanf("");
  }

 private:
  std::unique_ptr<Inference> right_;
  int classes_;
};

class MistakenPass final : public TrainingPass {
 public:
  MistakenPass(std::unique_ptr<TrainingPass> right, int hidden)
      : right_(std::move(right)), hidden_(hidden) {}

  void backward(const float* logits, const NetworkArrays<float>& gradients,
                Surroundings& surroundings) override {
    right_->backward(logits, gradients, surroundings);
    std::fill_n(gradients.layers.front().edge_out_bias, hidden_, 0.F);
  }

 private:
  std::unique_ptr<TrainingPass> right_;
  int hidden_;
};

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
  auto changed = network;
  if (mistake == Mistake::kCoordinates) changed.c_weight *= .9;
  auto right = precision == Precision::kHalf
                   ? make<InferenceOf, Inference, prim::F16>(network.hidden, changed)
                   : make<InferenceOf, Inference, prim::F16x3>(network.hidden, changed);
  if (mistake != Mistake::kLogit && mistake != Mistake::kNotANumber) return right;
  return std::make_unique<MistakenInference>(std::move(right), network.classes);
}

std::unique_ptr<TrainingPass> begin_training_pass(const NetworkShape& shape,
                                                  TrainingPrecision precision,
                                                  const NetworkArrays<const float>& parameters,
                                                  const std::vector<RunningOfLayer>& running,
                                                  const TrainingBatch& batch,
                                                  Surroundings& surroundings, float* logits) {
  if (mistake == Mistake::kLaunch) throw std::runtime_error("starting a kernel: no such device");
  auto* const mean = running.front().edges.mean;
  const std::vector<float> before(mean, mean + shape.hidden);
  auto right = precision == TrainingPrecision::kHalf
                   ? make<TrainingPassOf, TrainingPass, prim::Bf16>(
                         shape.hidden, shape, parameters, running, batch, surroundings, logits)
                   : make<TrainingPassOf, TrainingPass, prim::Bf16x3>(
                         shape.hidden, shape, parameters, running, batch, surroundings, logits);
  if (mistake == Mistake::kStatistics) std::copy(before.begin(), before.end(), mean);
  if (mistake != Mistake::kGradient) return right;
  return std::make_unique<MistakenPass>(std::move(right), shape.hidden);
}

void score_jets(const JetScores& scores) { launch_score_jets(scores); }

}  // namespace lorentznet::cuda

namespace lorentznet::test {

long emulated_launches() { return cuda::prim::launches(); }

MistakenKernels::MistakenKernels(Mistake mistake) { cuda::mistake = mistake; }
MistakenKernels::~MistakenKernels() { cuda::mistake = Mistake::kNone; }

}  // namespace lorentznet::test
