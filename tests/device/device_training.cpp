#include "device_training.h"

#include <torch/utils.h>

#include <atomic>
#include <mutex>
#include <stdexcept>

#include "fake_device.h"
#include "sample.h"

namespace lorentznet::test {

void train_on_device(const DeviceTraining& training, const std::filesystem::path& folder,
                     TrainedOnDevice& trained) {
  const auto& task = quark_gluon_tagging();
  auto jets = sample_jets(task, 40);
  for (std::int64_t jet = 0; training.weights && jet < 40; ++jet) {
    jets.weight.push_back(.5 + .05 * static_cast<double>(jet));
  }
  auto train = jets.slice(0, 32);
  const auto val = jets.slice(32, 8);
  if (training.change_jets) training.change_jets(train);
  static std::mutex one_generator;  // for the ranks of a process
  std::unique_lock lock(one_generator);
  torch::manual_seed(4);
  trained.model = LorentzNet(LorentzNetOptions{
      .n_scalar = 8, .n_hidden = training.hidden, .n_layers = 2, .dropout = training.dropout});
  lock.unlock();
  move_to(*trained.model, training.device);
  if (training.gpu_kernel) trained.model->use_gpu_kernel();
  std::atomic<bool> stop = false;
  TrainerOptions options;
  options.epochs = training.epochs;
  options.batch_size = 8 / training.ranks->size();
  options.num_workers = 2;
  options.learning_rate = [](std::int64_t) { return 1e-2; };
  options.jets_on_device = training.jets_on_device;
  options.ranks = training.ranks;
  options.on_step = [&](double loss) {
    trained.losses.push_back(loss);
    if (static_cast<std::int64_t>(trained.losses.size()) == training.stop_after) stop = true;
  };
  Trainer trainer(trained.model,
                  {train, val, task, {.pooling = Pooling::kConstant, .n_nodes = 139}}, options,
                  RunFolder(folder), {});
  if (training.resume && !trainer.resume()) throw std::logic_error("no state to resume from");
  trained.outcome = trainer.run(stop);
}

TrainedOnDevice train_on_device(const DeviceTraining& training,
                                const std::filesystem::path& folder) {
  TrainedOnDevice trained;
  train_on_device(training, folder, trained);
  return trained;
}

}  // namespace lorentznet::test
