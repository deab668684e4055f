#pragma once

#include "app/run.h"

namespace lorentznet {

/// Trains the network, which then has the weights of the best epoch. Collective.
/// \return the number of the signal that stopped the training; 0 if it was finished
int run_training(const Run& run, LorentzNet& network);

}  // namespace lorentznet
