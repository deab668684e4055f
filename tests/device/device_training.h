#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "lorentznet/trainer.h"

namespace lorentznet::test {

/// A short training of a small network with dropout on quark/gluon jets.
struct DeviceTraining {
  at::Device device = at::kCPU;
  std::int64_t epochs = 2;  ///< of 4 steps
  std::optional<bool> jets_on_device = {};
  bool weights = false;          ///< the jets have weights
  std::int64_t stop_after = -1;  ///< steps; -1: never
  bool resume = false;
  double dropout = 0.5;
  std::int64_t hidden = 6;
  bool gpu_kernel = false;  ///< the GPU's kernels, on the emulator
  std::shared_ptr<const Communicator> ranks = single_process();
  std::function<void(JetSet&)> change_jets = {};
};

struct TrainedOnDevice {
  Trainer::Outcome outcome = Trainer::Outcome::kFinished;
  std::vector<double> losses;  ///< of each step
  LorentzNet model{nullptr};
};

/// \param trained  is also filled in if it throws
void train_on_device(const DeviceTraining& training, const std::filesystem::path& folder,
                     TrainedOnDevice& trained);
TrainedOnDevice train_on_device(const DeviceTraining& training,
                                const std::filesystem::path& folder);

}  // namespace lorentznet::test
