#include "bench/runner.h"

#include <torch/utils.h>

#include "lorentznet/trainer.h"
#include "train/pass.h"

namespace lorentznet::bench {

Runner::Runner(const Workload& workload, const KernelChoice& choice, Mode mode)
    : jets_(workload.train),
      mode_(mode),
      network_(make_network(workload, choice)),
      optimizer_(network_->parameters(),
                 torch::optim::AdamWOptions(1e-3).weight_decay(TrainerOptions{}.weight_decay)) {
  network_->train(mode == Mode::kTraining);
}

void Runner::run(const Batch& batch) {
  if (mode_ == Mode::kTraining) return train_on(batch);
  const torch::NoGradGuard no_grad;
  network_->forward(batch);
}

void Runner::train_on(const Batch& batch) {
  optimizer_.zero_grad();
  const auto loss = score_batch(network_->forward(batch), batch).loss;
  check_finite(loss.item<double>(), jets_, batch);
  loss.backward();
  optimizer_.step();
}

std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

std::string reason_against(const Workload& workload, const KernelChoice& choice, Mode mode) {
  try {
    Runner runner(workload, choice, mode);
    runner.run(alike_batches(workload, 2, 1, mode).front());
    return {};
  } catch (const std::exception& error) {
    return first_line(error);
  }
}

}  // namespace lorentznet::bench
