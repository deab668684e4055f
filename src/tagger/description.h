#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/tagger.h"
#include "lorentznet/task.h"
#include "tagger/network.h"

namespace lorentznet {

/// A jet of n constituents and what the network gives for it, to the bit.
struct TestVector {
  std::vector<double> p4;            ///< [n, 4]
  std::vector<std::int32_t> pdg_id;  ///< [n], if the network takes PDG ids
  std::vector<double> scalars;       ///< [n, S], if it takes scalars of the user's own
  std::vector<float> probabilities;  ///< [classes]
};

/// A file of training jets: its name without folders, and how many of its jets were used.
struct TrainingFile {
  std::string name;
  std::int64_t jets;
};

/// What a network computes besides its weights, and what it was trained on: the entry
/// "lorentznet.json" that a training adds to its checkpoints. Python's torch.load passes over it.
struct NetworkDescription {
  std::string task;  ///< Task::name
  NetworkShape shape;
  PoolingRule rule;
  double c_weight;                      ///< weight of the coordinate updates
  bool beams;                           ///< whether two beams stand before each jet's constituents
  std::string coordinates;              ///< "double", or "float" as in the Python program
  std::optional<MassQuartiles> masses;  ///< of the training jets; empty: the network sees none
  std::vector<TrainingFile> trained_on = {};
  std::vector<TestVector> tests = {};  ///< empty: the engine does not compute the network
};

/// What the network takes besides four-momenta.
ConstituentInput own_input(const NetworkDescription& description);
/// S of ConstituentInput::kScalars, else 0.
std::int64_t own_scalars(const NetworkDescription& description);

/// The entry's contents, JSON. Equal descriptions give equal texts.
std::string to_text(const NetworkDescription& description);

/// Reads the entry of a checkpoint; empty if it has none, as published ones. What a later version
/// of the same format adds is passed over.
/// \throws InputError, one line that begins with the file's name, if the file is no checkpoint or
///         the entry is damaged or of a later format
std::optional<NetworkDescription> read_description(const std::filesystem::path& checkpoint);

/// The same of the entry's text. \param file  of the checkpoint, for messages
NetworkDescription parse_description(const std::string& text, const std::string& file);

}  // namespace lorentznet
