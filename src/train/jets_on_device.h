#pragma once

#include <memory>
#include <optional>

#include "lorentznet/trainer.h"
#include "model/resident_jets.h"

namespace lorentznet {

/// A training's jets on the device of its network.
struct JetsOnDevice {
  ResidentJets train, val;
};

/// Logs where batches come from, but for a network on the CPU, where there is no choice to tell.
/// \param wanted  TrainerOptions::jets_on_device
/// \return null: batches come from the CPU
std::unique_ptr<const JetsOnDevice> keep_on_device(const Trainer::Data& data,
                                                   const at::Device& device,
                                                   std::optional<bool> wanted, const Log& log);

}  // namespace lorentznet
