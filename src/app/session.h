#pragma once

#include "app/arguments.h"
#include "parallel/processes.h"

namespace lorentznet {

/// Trains and tests as the arguments say, with all processes of the run. Rank 0 alone prints.
/// \return the exit status, 0 or 128 + a signal's number
int run_session(const Task& task, Arguments arguments, Processes& processes);

}  // namespace lorentznet
