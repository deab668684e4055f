#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lorentznet/trainer.h"
#include "model/resident_jets.h"

namespace lorentznet {

/// \param name  of the split, for messages
/// \throws InputError if it has less than `at_least` jets, a jet whose label is not 0 ..
/// n_class-1, or weights that are all zero
void check_split(const JetSet& set, const std::string& name, std::int64_t at_least,
                 std::int64_t n_class);

/// A training's jets on the device of its network.
struct JetsOnDevice {
  ResidentJets train, val;
};

/// Logs where batches come from, except for a network on the CPU, where there is no choice.
/// \param wanted  TrainerOptions::jets_on_device
/// \return null: batches come from the CPU
std::unique_ptr<const JetsOnDevice> keep_on_device(const Trainer::Data& data,
                                                   const at::Device& device,
                                                   std::optional<bool> wanted, const Log& log);

}  // namespace lorentznet
