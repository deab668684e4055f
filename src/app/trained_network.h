#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/arguments.h"
#include "io/json.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// What is known of a trained network besides its weights. Where args.json beside the checkpoint
/// and the checkpoint itself both say something, they agree.
struct TrainedNetwork {
  std::filesystem::path checkpoint, args_file;
  Json args;                            ///< of args.json; an empty object if there is none
  Json own;                             ///< what only the checkpoint says, in the form of args.json
  std::optional<MassQuartiles> masses;  ///< of the training jets, as far as they are known

  /// n_scalar or n_class. \throws InputError if it is not from `least` to `most`
  std::int64_t number(const std::string& name, std::int64_t if_absent, std::int64_t least,
                      std::int64_t most) const;
};

/// Reads args.json beside the checkpoint, if it is there, and what the checkpoint says of itself.
/// \throws InputError if one of them is damaged or of the other task, or if they contradict each
///         other
TrainedNetwork read_trained_network(const Task& task, const std::filesystem::path& checkpoint);

/// Sets the flags in `names` that were not given to what is known of the network.
/// \throws InputError if a flag that was given contradicts it, with both values
void adopt_network(Arguments& arguments, const TrainedNetwork& network,
                   const std::vector<std::string>& names, const Task& task);

/// The same for a training that starts from the weights in --init_from, with all that the network
/// computes. What nobody says, as of published checkpoints, is as in the published networks, unless
/// flags say otherwise; a line says so. \return what is known of the network
TrainedNetwork adopt_initial_network(Arguments& arguments, const Task& task, const Log& log);

/// Copies the checkpoint's weights into `network`. If it has another number of classes, its last
/// layer keeps the network's own weights, and a line says so.
/// \throws InputError if the checkpoint is damaged or does not fit the network
void start_from(LorentzNetImpl& network, const std::filesystem::path& checkpoint, const Log& log);

}  // namespace lorentznet
