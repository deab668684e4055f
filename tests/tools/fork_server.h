#pragma once

#include <functional>

namespace lorentznet::test {

/// Runs a main function for scripts/crash_matrix.py, each time in a fork of this process, which has
/// loaded all libraries and waits for the end. A request on stdin is a line with the number of
/// bytes that follow, which are strings that end with NUL: the seconds after which the run is
/// killed, the files for its stdout and stderr, the number of arguments, the arguments (the first
/// is the program's path), and then the environment. The answer on stdout is a line with the exit
/// status, or with minus the number of the signal that ended the run. Returns at the end of stdin.
void serve(const char* name, const std::function<int(int argc, const char* const* argv)>& main);

}  // namespace lorentznet::test
