#pragma once

#include "lorentznet/task.h"

namespace lorentznet {

/// The main function of a program: parses the command line, trains and tests, prints.
/// \return the exit status: 0; 2 with one line on stderr for unusable input; 1 for any other error;
///         128 + the signal's number if a signal stopped the training
int run_program(const Task& task, int argc, const char* const* argv);

}  // namespace lorentznet
