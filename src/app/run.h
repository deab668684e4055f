#pragma once

#include "app/arguments.h"

namespace lorentznet {

/// The whole of a program: parses the command line, trains and tests, prints.
/// \return the exit status: 0; 2 with one line on stderr if an input cannot be used; 1 for any
///         other error; 128 + the signal's number if a training was stopped by one
int run_program(const Task& task, int argc, const char* const* argv);

}  // namespace lorentznet
