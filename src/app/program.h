#pragma once

#include <exception>
#include <string>

#include "lorentznet/task.h"

namespace lorentznet {

/// What the programs print of an error: all of its lines in one (the last line of NCCL's is the
/// reason), without the backtrace that what() of a c10::Error contains, and with other control
/// characters as \x1b.
std::string line_of(const std::exception& error);

/// The main function of a program: parses the command line, trains and tests, prints.
/// \return the exit status: 0; 2 with one line on stderr for unusable input; 1 for any other error;
///         128 + the signal's number if a signal stopped the training
int run_program(const Task& task, int argc, const char* const* argv);

}  // namespace lorentznet
