#pragma once

#include "app/arguments.h"

namespace lorentznet {

/// Trains and tests as the arguments say. \return the exit status, 0 or 128 + a signal's number
int run_session(const Task& task, Arguments arguments);

}  // namespace lorentznet
